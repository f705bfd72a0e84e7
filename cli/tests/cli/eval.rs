//! `glassbox eval`, on the leaderboard's own questions. The first run installs its package.

use serde_json::{Value, json};

use crate::support::{Home, Outcome, cache, finish};

fn eval(home: &Home, args: &[&str]) -> Outcome {
    let args = [&["eval", "--category", "simple_python", "--limit", "3", "--results", "answers.jsonl"], args].concat();
    finish(home.command(&args).env("GLASSBOX_CACHE", cache()).spawn().unwrap())
}

#[test]
fn right_and_wrong_calls_are_counted_and_a_second_run_asks_nothing_again() {
    let home = Home::new();
    let call = |name: &str, arguments: Value| json!([{"call": {"name": name, "arguments": arguments}}]);
    let model = home.script(json!([
        call("calculate_triangle_area", json!({"base": 10, "height": 5})),
        call("math_factorial", json!({"number": "five"})),
        [{"text": "The answer is 6.4."}],
    ]));
    let outcome = eval(&home, &["--model", &model, "--json"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    let told: Value = serde_json::from_str(&outcome.out).unwrap();
    let row = &told["categories"]["simple_python"];
    assert_eq!((&row["cases"], &row["right"], &row["calls"]), (&json!(3), &json!(1), &json!(2)), "{row}");
    assert_eq!((&row["bad_calls"], &row["errors"]), (&json!(1), &json!(0)), "{row}");

    // The script is over: a question that is asked again would be an error.
    let empty = home.script(json!([]));
    let outcome = eval(&home, &["--model", &empty, "--compare", "answers.jsonl"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    let line = outcome.out.lines().find(|line| line.starts_with("simple_python")).unwrap();
    assert!(line.contains("1/3") && line.contains("+0.000"), "{line}");
}

#[test]
fn a_slice_that_is_none_is_refused() {
    let home = Home::new();
    let model = home.script(json!([]));
    let outcome = eval(&home, &["--model", &model, "--slice", "4:4"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.err);
    assert!(outcome.err.contains("4:4"), "{}", outcome.err);
}
