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
fn a_case_whose_answer_is_an_error_is_asked_again() {
    let home = Home::new();
    let row = |category: &str, model: &str| {
        let args =
            ["eval", "--category", category, "--limit", "2", "--results", "some.jsonl", "--json", "--model", model];
        let outcome = finish(home.command(&args).env("GLASSBOX_CACHE", cache()).spawn().unwrap());
        assert_eq!(outcome.code, Some(0), "{}", outcome.err);
        let told: Value = serde_json::from_str(&outcome.out).unwrap();
        let row = &told["categories"][category];
        [&row["cases"], &row["right"], &row["errors"]].map(|number| number.as_u64().unwrap())
    };
    for (category, first, second) in [
        ("simple_python", "I do not know.", json!({"call": {"name": "math_factorial", "arguments": {"number": 5}}})),
        (
            "humaneval",
            "I do not know.",
            json!({"text": "```python\ndef separate_paren_groups(text):\n    return []\n```"}),
        ),
    ] {
        // The script is over where the second one is asked.
        assert_eq!(row(category, &home.script(json!([[{"text": first}]]))), [2, 0, 1], "{category}");
        // Now the second one alone is asked.
        let right = u64::from(category == "simple_python");
        assert_eq!(row(category, &home.script(json!([[second]]))), [2, right, 0], "{category}");
        assert_eq!(row(category, &home.script(json!([]))), [2, right, 0], "{category}");
    }
}

#[test]
fn without_a_category_those_of_the_leaderboard_are_asked() {
    let home = Home::new();
    let model = home.script(json!([[{"text": "Hello."}]]));
    let args = ["eval", "--limit", "0", "--model", &model, "--json"];
    let Outcome { out, err, code } = finish(home.command(&args).env("GLASSBOX_CACHE", cache()).spawn().unwrap());
    // The leaderboard's package was there.
    assert_eq!(code, Some(0), "{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["categories"], json!({}));
}

#[test]
fn a_slice_that_is_none_is_refused() {
    let home = Home::new();
    let model = home.script(json!([]));
    let outcome = eval(&home, &["--model", &model, "--slice", "4:4"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.err);
    assert!(outcome.err.contains("4:4"), "{}", outcome.err);
}

#[test]
fn tasks_are_answered_by_programs_and_a_second_run_asks_nothing_again() {
    let home = Home::new();
    let ask = |model: &str, args: &[&str]| {
        let args = [&["eval", "--category", "code", "--slice", "20:0", "--results", "programs.jsonl"], args].concat();
        finish(home.command(&[&args[..], &["--model", model]].concat()).env("GLASSBOX_CACHE", cache()).spawn().unwrap())
    };
    // Arithmetic, then a date, then a text: right, wrong, and a program that fails.
    let model = home.script(json!([
        [{"code": "print(48271 * 9136)"}], [{"text": "It is 441,003,856."}],
        [{"code": "print('Monday')"}], [{"text": "It was a Monday."}],
        [{"code": "1 / 0"}], [{"text": "I cannot tell."}],
    ]));
    let Outcome { out, err, code } = ask(&model, &["--json"]);
    assert_eq!(code, Some(0), "{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    let row = &told["categories"]["code"];
    assert_eq!((&row["cases"], &row["right"], &row["calls"]), (&json!(3), &json!(1), &json!(3)), "{row}");
    assert_eq!((&row["bad_calls"], &row["errors"]), (&json!(1), &json!(0)), "{row}");
    let lines = std::fs::read_to_string(home.path("programs.jsonl")).unwrap();
    let answers: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers[0]["why"], Value::Null);
    assert!(answers[1]["why"].as_str().unwrap().starts_with("AssertionError: the reply does not hold"), "{lines}");

    let empty = home.script(json!([]));
    let Outcome { out, err, code } = ask(&empty, &["--compare", "programs.jsonl"]);
    assert_eq!(code, Some(0), "{err}");
    let line = out.lines().find(|line| line.starts_with("code")).unwrap();
    assert!(line.contains("1/3") && line.contains("+0.000"), "{line}");

    let Outcome { err, code, .. } = ask(&empty, &["--url", "http://127.0.0.1:9/v1", "--as", "other"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.starts_with("error: `code` and `humaneval` are asked of a model here, in the sandbox"), "{err}");
}

#[test]
fn humaneval_s_problems_are_asked_and_their_tests_run() {
    let home = Home::new();
    let right = "```python\ndef has_close_elements(numbers, threshold):\n    n = sorted(numbers)\n    \
                 return any(b - a < threshold for a, b in zip(n, n[1:]))\n```";
    let model = home.script(json!([[{"text": right}], [{"text": "I do not know."}]]));
    let args = ["eval", "--category", "humaneval", "--limit", "2", "--model", &model, "--json"];
    let Outcome { out, err, code } = finish(home.command(&args).env("GLASSBOX_CACHE", cache()).spawn().unwrap());
    assert_eq!(code, Some(0), "{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    let row = &told["categories"]["humaneval"];
    assert_eq!((&row["cases"], &row["right"], &row["errors"]), (&json!(2), &json!(1), &json!(0)), "{row}");
}
