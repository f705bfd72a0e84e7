use std::collections::BTreeMap;

use glassbox_tools::ToolCall;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn rules() -> TurnRules {
    TurnRules {
        max_turns: 8,
        max_retries: 2,
        max_repairs: 2,
        tool_choice: ToolChoice::Auto,
        parallel_calls: true,
        interpreter: true,
        tools: BTreeMap::from([
            ("get_weather".to_owned(), Concurrency::Parallel),
            ("track".to_owned(), Concurrency::Parallel),
            ("shell".to_owned(), Concurrency::Serial),
        ]),
    }
}

fn text(text: &str) -> AssistantPart {
    AssistantPart::Text { text: text.to_owned() }
}

fn call(id: &str, name: &str) -> AssistantPart {
    AssistantPart::Call { call: ToolCall::new(id, name, json!({})) }
}

fn code(id: &str) -> AssistantPart {
    AssistantPart::Code { id: id.into(), source: "1 + 1".to_owned() }
}

fn malformed(id: &str, name: Option<&str>) -> AssistantPart {
    AssistantPart::Malformed {
        id: id.into(),
        name: name.map(str::to_owned),
        raw: "tool_call(".to_owned(),
        problem: "it is cut".to_owned(),
    }
}

fn message(parts: &[AssistantPart]) -> AssistantMessage {
    AssistantMessage { parts: parts.to_vec(), raw: None }
}

fn reply(machine: &mut TurnMachine, parts: &[AssistantPart]) {
    machine.reply_finished(message(parts), FinishReason::Stop).unwrap();
}

fn answer(machine: &mut TurnMachine, id: &str, content: &str) {
    machine.action_finished(&id.into(), Answer::ran(content)).unwrap();
}

fn generate(tool_choice: ToolChoice, retry: u32) -> Step {
    Step::Generate { tool_choice, retry }
}

fn done(stop: StopReason) -> Step {
    Step::Done { stop }
}

/// The ids in the groups of the next step.
fn groups(machine: &TurnMachine) -> Vec<Vec<String>> {
    match machine.step() {
        Step::Act { groups } => groups.iter().map(|g| g.iter().map(|a| a.id().to_string()).collect()).collect(),
        step => panic!("not acting: {step:?}"),
    }
}

fn observations(machine: &TurnMachine) -> Vec<String> {
    let content = |m: &Message| if let Message::Observation(o) = m { Some(o.content.clone()) } else { None };
    machine.messages().iter().filter_map(content).collect()
}

#[test]
fn a_reply_of_calls_and_results_that_were_there_before_is_followed_by_an_answer_in_words() {
    let mut machine = TurnMachine::new(rules());
    reply(&mut machine, &[call("1", "track")]);
    assert!(!machine.repeats(&"1".into(), "12412"), "the first of its kind");
    answer(&mut machine, "1", "12412");
    assert_eq!(machine.step(), generate(ToolChoice::Auto, 0));

    reply(&mut machine, &[call("2", "track")]);
    assert!(!machine.repeats(&"2".into(), "12413"), "another result is news");
    assert!(machine.repeats(&"2".into(), "12412"));
    machine.action_finished(&"2".into(), Answer::repeated("12412, as before")).unwrap();
    assert_eq!(machine.step(), generate(ToolChoice::Answer, 0));

    reply(&mut machine, &[text("12412")]);
    assert_eq!(machine.step(), done(StopReason::Done));
    assert_eq!(observations(&machine), ["12412", "12412, as before"]);
}

#[test]
fn a_repetition_beside_something_new_leaves_the_model_free() {
    let mut machine = TurnMachine::new(rules());
    reply(&mut machine, &[call("1", "track")]);
    answer(&mut machine, "1", "12412");
    reply(&mut machine, &[call("2", "track"), call("3", "get_weather")]);
    assert!(!machine.repeats(&"3".into(), "12412"), "another tool");
    machine.action_finished(&"2".into(), Answer::repeated("12412, as before")).unwrap();
    answer(&mut machine, "3", "rain");
    assert_eq!(machine.step(), generate(ToolChoice::Auto, 0));
}

#[test]
fn a_call_of_the_same_reply_is_no_repetition() {
    let mut machine = TurnMachine::new(rules());
    reply(&mut machine, &[call("1", "track"), call("2", "track")]);
    answer(&mut machine, "1", "4");
    assert!(!machine.repeats(&"2".into(), "4"), "two dice thrown at once");
}

#[test]
fn a_plain_reply_ends_the_turn() {
    let mut machine = TurnMachine::new(rules());
    assert_eq!(machine.step(), generate(ToolChoice::Auto, 0));
    reply(&mut machine, &[text("你好")]);
    assert_eq!(machine.step(), done(StopReason::Done));
    assert_eq!(machine.messages(), [Message::assistant("你好")]);
}

#[test]
fn a_call_is_run_and_its_answer_read() {
    let mut machine = TurnMachine::new(rules());
    reply(&mut machine, &[text("Let me see."), call("call-1", "track")]);
    assert_eq!(groups(&machine), [["call-1"]]);
    answer(&mut machine, "call-1", "12412");
    assert_eq!(machine.step(), generate(ToolChoice::Auto, 0));
    assert_eq!(observations(&machine), ["12412"]);
    reply(&mut machine, &[text("It is 12412.")]);
    assert_eq!(machine.step(), done(StopReason::Done));
    assert_eq!(machine.messages().len(), 3);
}

#[test]
fn observations_keep_the_order_of_the_calls() {
    let mut machine = TurnMachine::new(rules());
    reply(&mut machine, &[call("call-1", "track"), call("call-2", "get_weather"), call("call-3", "track")]);
    answer(&mut machine, "call-3", "third");
    answer(&mut machine, "call-2", "second");
    assert_eq!(observations(&machine), Vec::<String>::new());
    assert_eq!(machine.messages_with(&"call-1".into(), "1?").len(), 4);
    answer(&mut machine, "call-1", "first");
    assert_eq!(observations(&machine), ["first", "second", "third"]);
}

#[test]
fn serial_tools_and_code_run_alone_and_in_order() {
    let mut machine = TurnMachine::new(rules());
    let parts = [
        call("1", "track"),
        call("2", "get_weather"),
        call("3", "shell"),
        code("4"),
        call("5", "track"),
        call("6", "nope"),
    ];
    reply(&mut machine, &parts);
    assert_eq!(groups(&machine), [vec!["1", "2"], vec!["3"], vec!["4"], vec!["5", "6"]]);

    let mut machine = TurnMachine::new(TurnRules { parallel_calls: false, ..rules() });
    reply(&mut machine, &parts[..2]);
    assert_eq!(groups(&machine), [["1"], ["2"]]);
}

#[test]
fn a_forced_choice_holds_for_the_first_generation_only() {
    for choice in [ToolChoice::Required, ToolChoice::Named("track".into())] {
        let mut machine = TurnMachine::new(TurnRules { tool_choice: choice.clone(), ..rules() });
        assert_eq!(machine.step(), generate(choice, 0));
        reply(&mut machine, &[call("1", "track")]);
        answer(&mut machine, "1", "12412");
        assert_eq!(machine.step(), generate(ToolChoice::Auto, 0));
    }
}

#[test]
fn where_no_tool_may_be_called_none_is() {
    let mut machine = TurnMachine::new(TurnRules { tool_choice: ToolChoice::None, ..rules() });
    reply(&mut machine, &[call("1", "track"), code("2"), malformed("3", Some("track"))]);
    assert_eq!(machine.step(), generate(ToolChoice::None, 0));
    assert_eq!(observations(&machine), ["Error: no tool can be called now. Answer directly."; 3]);
}

#[test]
fn code_without_an_interpreter_is_answered() {
    let mut machine = TurnMachine::new(TurnRules { interpreter: false, ..rules() });
    reply(&mut machine, &[code("1")]);
    assert_eq!(machine.step(), generate(ToolChoice::Auto, 0));
    assert!(observations(&machine)[0].contains("no code interpreter"));
}

#[test]
fn faults_force_the_next_generation() {
    type Answered = (AssistantPart, Option<Fault>);
    let cases: &[(&[Answered], ToolChoice)] = &[
        (&[(malformed("1", Some("track")), None)], ToolChoice::Named("track".into())),
        (&[(malformed("1", Some("trak")), None)], ToolChoice::Required),
        (&[(malformed("1", None), None)], ToolChoice::Required),
        (&[(call("1", "trak"), Some(Fault::UnknownTool))], ToolChoice::Required),
        (&[(call("1", "track"), Some(Fault::InvalidArguments))], ToolChoice::Named("track".into())),
        (
            &[
                (call("1", "track"), Some(Fault::InvalidArguments)),
                (call("2", "get_weather"), Some(Fault::InvalidArguments)),
            ],
            ToolChoice::Required,
        ),
        (&[(call("1", "track"), None)], ToolChoice::Auto),
    ];
    for (parts, choice) in cases {
        let mut machine = TurnMachine::new(rules());
        reply(&mut machine, &parts.iter().map(|(part, _)| part.clone()).collect::<Vec<_>>());
        for (part, fault) in *parts {
            if let AssistantPart::Call { call } = part {
                let answer = Answer { content: "…".to_owned(), fault: *fault, repeated: false, failed: false };
                machine.action_finished(&call.id, answer).unwrap();
            }
        }
        assert_eq!(machine.step(), generate(choice.clone(), u32::from(*choice != ToolChoice::Auto)), "{parts:?}");
    }
}

#[test]
fn retries_in_a_row_are_limited_and_a_good_call_resets_them() {
    let mut machine = TurnMachine::new(TurnRules { max_turns: 20, ..rules() });
    let bad = [malformed("1", Some("track"))];
    for retry in [1, 2] {
        reply(&mut machine, &bad);
        assert_eq!(machine.step(), generate(ToolChoice::Named("track".into()), retry));
    }
    for _ in 0..2 {
        reply(&mut machine, &bad);
        assert_eq!(machine.step(), generate(ToolChoice::Auto, 0));
    }
    reply(&mut machine, &[call("2", "track")]);
    answer(&mut machine, "2", "12412");
    reply(&mut machine, &bad);
    assert_eq!(machine.step(), generate(ToolChoice::Named("track".into()), 1));
}

#[test]
fn without_tools_nothing_is_forced() {
    let mut machine = TurnMachine::new(TurnRules { tools: BTreeMap::new(), interpreter: false, ..rules() });
    reply(&mut machine, &[malformed("1", None)]);
    assert_eq!(machine.step(), generate(ToolChoice::Auto, 0));
}

#[test]
fn max_turns_is_exact() {
    for max_turns in 1..5 {
        let mut machine = TurnMachine::new(TurnRules { max_turns, ..rules() });
        for n in 1..=max_turns {
            assert!(matches!(machine.step(), Step::Generate { .. }), "generation {n} of {max_turns}");
            reply(&mut machine, &[call("1", "track")]);
            if n < max_turns {
                answer(&mut machine, "1", "12412");
            }
        }
        assert_eq!(machine.step(), done(StopReason::MaxTurns));
        assert_eq!(machine.generations(), max_turns);
        let last = observations(&machine).pop().unwrap();
        assert_eq!(last, format!("Not run: the limit of {max_turns} model turns for one message was reached."));
    }
}

#[test]
fn a_reply_that_ended_early_ends_the_turn() {
    use FinishReason as F;
    use StopReason as S;
    let cases: &[(&[AssistantPart], F, Step, usize)] = &[
        (&[text("a")], F::Length, done(S::Length), 0),
        (&[text("a"), malformed("1", None)], F::Length, done(S::Length), 1),
        (&[text("a")], F::Repetition, done(S::Repetition), 0),
        (&[text("a"), malformed("1", None)], F::Repetition, done(S::Repetition), 1),
        (&[call("1", "track"), malformed("2", None)], F::Length, done(S::Length), 2),
        (&[], F::Stop, done(S::Done), 0),
        (&[text("a")], F::Calls, done(S::Done), 0),
        (&[text("a")], F::ContextFull, done(S::ContextFull), 0),
        (&[call("1", "track")], F::ContextFull, done(S::ContextFull), 1),
        (&[call("1", "track"), code("2")], F::Cancelled, done(S::Cancelled), 2),
    ];
    for (parts, reason, step, observed) in cases {
        let mut machine = TurnMachine::new(rules());
        machine.reply_finished(message(parts), *reason).unwrap();
        assert_eq!((&machine.step(), observations(&machine).len()), (step, *observed), "{parts:?} {reason:?}");
    }
    let mut machine = TurnMachine::new(rules());
    machine.reply_finished(message(&[call("1", "track")]), F::Length).unwrap();
    assert_eq!(groups(&machine), [["1"]], "a call that was finished before the cut is run");
}

#[test]
fn cancelling_keeps_what_was_finished() {
    let mut machine = TurnMachine::new(rules());
    machine.cancel("");
    assert_eq!(machine.messages(), [Message::Assistant(AssistantMessage::default())]);

    let mut machine = TurnMachine::new(rules());
    machine.cancel("It is");
    assert_eq!(machine.messages(), [Message::assistant("It is")]);

    let mut machine = TurnMachine::new(rules());
    reply(&mut machine, &[call("1", "track"), call("2", "track"), call("3", "track")]);
    answer(&mut machine, "2", "12412");
    machine.cancel("");
    let cancelled = "Cancelled before it finished.";
    assert_eq!(observations(&machine), [cancelled, "12412", cancelled]);
    assert_eq!(machine.step(), done(StopReason::Cancelled));

    let mut machine = TurnMachine::new(rules());
    reply(&mut machine, &[call("1", "track")]);
    answer(&mut machine, "1", "12412");
    machine.cancel("");
    assert_eq!(machine.messages().len(), 2, "after an observation nothing needs to be added");
}

#[test]
fn what_was_not_asked_for_changes_nothing() {
    let mut machine = TurnMachine::new(rules());
    let before = machine.clone();
    let stray = machine.action_finished(&"call-9".into(), Answer::ran("x"));
    assert_eq!(stray, Err(Unexpected::Answer { id: "call-9".into() }));
    assert_eq!(machine, before);
    reply(&mut machine, &[call("1", "track"), call("2", "track")]);
    answer(&mut machine, "1", "x");
    let before = machine.clone();
    assert_eq!(machine.action_finished(&"1".into(), Answer::ran("y")), Err(Unexpected::Answer { id: "1".into() }));
    assert_eq!(machine.reply_finished(message(&[]), FinishReason::Stop), Err(Unexpected::Reply));
    assert_eq!(machine, before);
}

/// What a driver may be asked to report, at any time.
#[derive(Debug, Clone)]
enum Input {
    Reply(Vec<u8>, FinishReason),
    Answer(usize, Option<Fault>),
    Cancel(String),
    ContextFull,
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    use FinishReason as F;
    let reason = prop_oneof![8 => Just(F::Stop), 8 => Just(F::Calls), 2 => Just(F::Length), 1 => Just(F::Repetition), 1 => Just(F::ContextFull), 1 => Just(F::Cancelled)];
    let faults = [Some(Fault::Malformed), Some(Fault::UnknownTool), Some(Fault::InvalidArguments), None];
    let input = prop_oneof![
        10 => (prop::collection::vec(0_u8..6, 0..5), reason).prop_map(|(parts, reason)| Input::Reply(parts, reason)),
        20 => (0_usize..6, prop::sample::select(faults.to_vec())).prop_map(|(n, fault)| Input::Answer(n, fault)),
        1 => "[a-z]{0,3}".prop_map(Input::Cancel),
        1 => Just(Input::ContextFull),
    ];
    prop::collection::vec(input, 0..60)
}

fn parts(kinds: &[u8], next: &mut u32) -> Vec<AssistantPart> {
    let mut id = || {
        *next += 1;
        format!("call-{next}")
    };
    let part = |kind: &u8| match kind {
        0 => text("prose"),
        1 => call(&id(), "track"),
        2 => call(&id(), "shell"),
        3 => call(&id(), "unknown"),
        4 => code(&id()),
        _ => malformed(&id(), Some("track")),
    };
    kinds.iter().map(part).collect()
}

/// Every reply's calls have their observations right behind it, in order; the last reply's may still be missing.
fn check(machine: &TurnMachine) {
    let mut messages = machine.messages().iter().peekable();
    while let Some(message) = messages.next() {
        let Message::Assistant(reply) = message else { panic!("an observation without a call: {message:?}") };
        for part in reply.parts.iter().filter(|part| !matches!(part, AssistantPart::Text { .. })) {
            let Some(Message::Observation(observation)) = messages.next_if(|m| matches!(m, Message::Observation(_)))
            else {
                assert!(messages.peek().is_none(), "{part:?} has no observation");
                assert!(matches!(machine.step(), Step::Act { .. }), "{part:?} has no observation");
                return;
            };
            let id = match part {
                AssistantPart::Call { call } => Some(call.id.clone()),
                AssistantPart::Code { id, .. } => Some(id.clone()),
                _ => None,
            };
            assert_eq!(observation.call_id, id);
        }
    }
}

proptest! {
    #[test]
    fn any_inputs_keep_the_history_whole(inputs in inputs(), max_turns in 0_u32..6, max_retries in 0_u32..3, choice in 0..4) {
        let tool_choice = match choice {
            0 => ToolChoice::Auto,
            1 => ToolChoice::None,
            2 => ToolChoice::Required,
            _ => ToolChoice::Named("track".into()),
        };
        let mut machine = TurnMachine::new(TurnRules { max_turns, max_retries, tool_choice, ..rules() });
        let mut next = 0;
        let mut replies = 0;
        let mut forced_in_a_row = 0;
        for input in inputs {
            let before = machine.step();
            let history = machine.messages().to_vec();
            match input {
                Input::Reply(kinds, reason) => {
                    let accepted = machine.reply_finished(message(&parts(&kinds, &mut next)), reason).is_ok();
                    prop_assert_eq!(accepted, matches!(before, Step::Generate { .. }));
                    replies += u32::from(accepted);
                    if accepted {
                        let forced = matches!(before, Step::Generate { retry: 1.., .. });
                        forced_in_a_row = if forced { forced_in_a_row + 1 } else { 0 };
                        prop_assert!(forced_in_a_row <= max_retries);
                    }
                }
                Input::Answer(n, fault) => {
                    let ids: Vec<_> = match &before {
                        Step::Act { groups } => groups.iter().flatten().map(|a| a.id().clone()).collect(),
                        _ => vec![],
                    };
                    let id = ids.get(n).cloned().unwrap_or_else(|| "stray".into());
                    let expected = machine.messages_with(&id, "…");
                    let accepted = machine.action_finished(&id, Answer { content: "…".into(), fault, repeated: false, failed: false }).is_ok();
                    prop_assert_eq!(accepted, n < ids.len());
                    prop_assert!(expected.len() >= machine.messages().len());
                }
                Input::Cancel(written) => machine.cancel(&written),
                Input::ContextFull => machine.context_full(),
            }
            check(&machine);
            prop_assert_eq!(&machine.messages()[..history.len()], &history[..], "what is final stays");
            prop_assert!(machine.generations() <= max_turns.max(1));
            prop_assert_eq!(machine.generations(), replies);
            if let Step::Done { .. } = before {
                prop_assert_eq!(machine.step(), before, "a turn that is over stays over");
            }
            if let Step::Act { groups } = machine.step() {
                prop_assert_eq!(groups.iter().flatten().count(), machine.waiting());
                prop_assert!(machine.waiting() > 0);
            }
            let saved = serde_json::to_string(&machine).unwrap();
            let read: TurnMachine = serde_json::from_str(&saved).unwrap();
            prop_assert_eq!(&read, &machine);
        }
    }
}

#[test]
fn a_program_that_fails_is_corrected_as_often_as_the_rules_allow() {
    let mut machine = TurnMachine::new(rules());
    for (id, left) in [("call-1", 2), ("call-2", 1), ("call-3", 0)] {
        assert_eq!(machine.step(), generate(ToolChoice::Auto, 0));
        reply(&mut machine, &[code(id)]);
        assert_eq!(machine.repairs_left(), left);
        machine.action_finished(&id.into(), Answer::failed("NameError")).unwrap();
    }
    assert_eq!(machine.step(), generate(ToolChoice::Answer, 0));
    reply(&mut machine, &[text("It does not work.")]);
    assert_eq!(machine.step(), done(StopReason::Done));
}

#[test]
fn a_program_that_runs_ends_the_row_of_failures_and_its_repetition_is_a_circle() {
    let mut machine = TurnMachine::new(rules());
    reply(&mut machine, &[code("call-1")]);
    machine.action_finished(&"call-1".into(), Answer::failed("NameError")).unwrap();
    reply(&mut machine, &[code("call-2")]);
    assert!(!machine.repeats(&"call-2".into(), "NameError"), "a failure that comes again is no result");
    answer(&mut machine, "call-2", "4");
    assert_eq!(machine.repairs_left(), 2);
    reply(&mut machine, &[code("call-3")]);
    assert!(machine.repeats(&"call-3".into(), "4"));
    machine.action_finished(&"call-3".into(), Answer::repeated("4")).unwrap();
    assert_eq!(machine.step(), generate(ToolChoice::Answer, 0));
}

#[test]
fn a_program_that_cannot_be_read_is_asked_for_again_where_there_are_no_tools() {
    let mut machine = TurnMachine::new(TurnRules { tools: BTreeMap::new(), ..rules() });
    reply(&mut machine, &[malformed("call-1", Some(INTERPRETER))]);
    assert_eq!(machine.step(), generate(ToolChoice::Named(INTERPRETER.to_owned()), 1));
}
