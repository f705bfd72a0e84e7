use std::time::Duration;

use serde_json::json;

use super::*;
use crate::args::ColorArg;
use crate::settings::Show;
use crate::ui::ColorChoice;
use crate::ui::screen::Screen;

/// What a terminal without colours shows of `events`, transient lines left out.
fn screen(events: &[Event], verbose: u8) -> String {
    let screen = Screen::default();
    let show = Show { quiet: false, verbose, color: ColorChoice::new(ColorArg::Never) };
    let mut ui = Ui::to(Box::new(screen.clone()), true, Box::new(screen.clone()), true, show);
    let mut transcript = Transcript::new(OutFolder::new(std::env::temp_dir().join("glassbox-render-tests")));
    for event in events {
        transcript.show(event, &mut ui).unwrap();
    }
    let text = screen.text();
    // A transient line runs from one "erase the line" to the next.
    let parts: Vec<&str> = text.split("\r\x1b[2K").collect();
    parts.iter().enumerate().filter(|(at, part)| at % 2 == 0 || part.contains('\n')).map(|(_, part)| *part).collect()
}

fn event(value: Value) -> Event {
    serde_json::from_value(value).unwrap()
}

fn finished(stop: StopReason) -> Event {
    let usage = TurnUsage { generations: 2, prompt_tokens: 500, reused_tokens: 300, completion_tokens: 41, seed: 1 };
    let timings =
        TurnTimings { total: Duration::from_millis(1500), decode: Duration::from_secs(1), ..TurnTimings::default() };
    Event::Finished { stop, usage, timings }
}

fn call(id: &str, name: &str, arguments: Value) -> Event {
    event(json!({"type": "call_ready", "call": {"id": id, "name": name, "arguments": arguments}}))
}

fn observation(id: &str, name: &str, text: &str) -> Event {
    event(json!({"type": "tool_finished", "id": id, "name": name, "observation": text, "elapsed_ms": 1.0}))
}

#[test]
fn a_turn_reads_as_call_observation_reply_and_figures() {
    let events = [
        event(json!({"type": "turn_started", "prompt_tokens": 200, "context_tokens": 8192})),
        event(json!({"type": "prefill", "done": 512, "total": 2048, "reused": 0})),
        event(json!({"type": "text", "text": "我来查一下。"})),
        event(json!({"type": "call_started", "id": "call-1", "name": "track"})),
        call("call-1", "track", json!({"symbol": "10111", "days": 2})),
        event(
            json!({"type": "tool_started", "id": "call-1", "name": "track", "arguments": {}, "coercions": [{"path": "days", "rule": "text_to_number", "from": "\"2\"", "to": "2"}]}),
        ),
        observation("call-1", "track", r#"{"price":12412}"#),
        event(json!({"type": "text", "text": "股票10111的价格是12412。"})),
        finished(StopReason::Done),
    ];
    insta::assert_snapshot!(screen(&events, 0), @r#"
    我来查一下。
    → track(symbol="10111", days=2)
      `days`: "2" read as 2
    ← {"price":12412}
    股票10111的价格是12412。
    41 tokens written at 41.0/s · 200 read, 300 reused · context 8192 · 1.5 s
    "#);
}

#[test]
fn calls_beside_each_other_name_their_observations() {
    let events = [
        call("call-1", "track", json!({"symbol": "1"})),
        call("call-2", "get_weather", json!({"city": "北京"})),
        observation("call-2", "get_weather", "sunny\n20 °C"),
        observation("call-1", "track", "5"),
    ];
    insta::assert_snapshot!(screen(&events, 0), @r#"
    → track(symbol="1")
    → get_weather(city="北京")
    ← get_weather: sunny
      20 °C
    ← 5
    "#);
}

#[test]
fn what_went_wrong_is_told_to_the_person() {
    let events = [
        call("call-1", "wether", json!({})),
        event(
            json!({"type": "tool_finished", "id": "call-1", "name": "wether", "observation": "Error: for the model", "elapsed_ms": 1.0,
            "error": {"kind": "unknown_tool", "message": "no tool named `wether`", "hint": "register it"}}),
        ),
        event(json!({"type": "malformed", "id": "call-2", "raw": "{\"name\":\n\x1b[2J", "problem": "it ends early"})),
        event(json!({"type": "retried", "attempt": 1, "tool_choice": "required"})),
        finished(StopReason::MaxTurns),
    ];
    insta::assert_snapshot!(screen(&events, 1), @r#"
    → wether()
    ← unknown tool: no tool named `wether`
      register it
    → {"name": ␛[2J
    ← this call cannot be read: it ends early
      asked again, held to the form of a call
    41 tokens written at 41.0/s · 200 read, 300 reused · 1.5 s
    warning: no answer: the limit of model turns is reached
    hint: raise it with `--max-turns N`
    "#);
}

#[test]
fn a_long_observation_is_cut_and_says_so_and_verbose_shows_it_whole() {
    let long = format!("head\n{}", "x".repeat(5000));
    let events = [call("call-1", "track", Value::Null), observation("call-1", "track", &long)];
    let short = screen(&events, 0);
    assert!(short.contains("← head\n") && short.contains("… (4405 more characters; -v shows all)"), "{short}");
    assert!(screen(&events, 1).contains(&"x".repeat(5000)));
}

#[test]
fn arguments_that_are_no_object_are_shown_as_they_are() {
    assert_eq!(call_text("f", &json!({})), "f()");
    assert_eq!(call_text("f", &Value::Null), "f()");
    assert_eq!(call_text("f", &json!(["a", 1])), r#"f(["a",1])"#);
    let long = call_text("f", &json!({"text": "价".repeat(500)}));
    assert_eq!(long.chars().count(), "f(text=)".len() + MOST_OF_AN_ARGUMENT);
    assert!(long.ends_with("…)"));
}

#[test]
fn a_program_is_shown_as_it_is_written_and_its_traceback_whole() {
    let error = json!({
        "type": "error", "name": "NameError", "value": "name 'x' is not defined",
        "traceback": ["Traceback (most recent call last):", "  File \"<cell 1>\", line 3, in <module>", "NameError: name 'x' is not defined"],
    });
    let events = [
        event(json!({"type": "code_started", "id": "call-1"})),
        event(json!({"type": "code_text", "id": "call-1", "text": "a = 1\n\npri"})),
        event(json!({"type": "code_text", "id": "call-1", "text": "nt(x)\n\n"})),
        event(json!({"type": "code_ready", "id": "call-1", "source": "a = 1\n\nprint(x)"})),
        event(json!({"type": "code_output", "id": "call-1", "output": {"type": "stdout", "text": "so far\n"}})),
        event(json!({"type": "code_output", "id": "call-1", "output": error})),
        event(json!({
            "type": "code_finished", "id": "call-1", "execution": "error", "observation": "…", "repairs_left": 3,
            "files": [{"path": "/mnt/data/a.csv", "bytes": 12}], "elapsed_ms": 1,
        })),
    ];
    let short = [
        "→ a = 1",
        "→ ",
        "→ print(x)",
        "← so far",
        "← Traceback (most recent call last):",
        "    File \"<cell 1>\", line 3, in <module>",
        "  NameError: name 'x' is not defined",
        "  wrote /mnt/data/a.csv (12 B)",
        "  asked to correct it; attempts left: 3",
    ];
    assert_eq!(screen(&events, 0).lines().collect::<Vec<_>>(), short);
}

#[test]
fn what_a_program_prints_comes_in_lines_and_of_many_the_first() {
    let printed =
        |text: &str| event(json!({"type": "code_output", "id": "call-1", "output": {"type": "stdout", "text": text}}));
    let ended = || {
        event(json!({"type": "code_finished", "id": "call-1", "execution": "ok", "observation": "…", "elapsed_ms": 1}))
    };
    // A program that is cancelled in the middle of a line has shown it.
    assert_eq!(screen(&[printed("123"), finished(StopReason::Cancelled)], 0), "← 123\ncancelled\n");
    assert_eq!(screen(&[printed(" 1 %\r50 %"), printed("\r99 %\r\n"), ended()], 0), "← 99 %\n");
    let pieces = [printed("a"), printed("b\n\nc"), ended()];
    assert_eq!(screen(&pieces, 0), "← ab\n← \n← c\n");
    let many: String = (0..100).map(|n| format!("{n}\n")).collect();
    let many = [printed(&many), ended()];
    let short = screen(&many, 0);
    assert!(short.ends_with("← 59\n  … (40 more lines; -v shows all)\n"), "{short}");
    assert!(screen(&many, 1).ends_with("← 99\n"));
}
