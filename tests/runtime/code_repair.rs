//! Programs that fail, and programs that go round in a circle.

use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::sandbox::{Execution, InterpreterError, Output};
use glassbox::{Event, StopReason, ToolChoice};

use crate::support::{Cell, ScriptedInterpreter, agent, history, within};

fn stdout(text: &str) -> Output {
    Output::Stdout { text: text.to_owned() }
}

fn fails() -> Cell {
    let error = Output::Error { name: "NameError".into(), value: "name 'x' is not defined".into(), traceback: vec![] };
    Cell::Gives(vec![error], Execution::Error)
}

#[tokio::test]
async fn a_program_is_corrected_up_to_the_limit_and_then_the_model_answers_in_words() {
    let interpreter = ScriptedInterpreter::new([fails(), fails(), fails()]);
    let model =
        ScriptedModel::new([Reply::code("a"), Reply::code("b"), Reply::code("c"), Reply::text("It does not work.")]);
    let mut session = agent(&model).interpreter(interpreter).max_repairs(2).build().unwrap().session();
    let reply = within(session.send("go")).await.unwrap();
    assert_eq!((reply.stop(), reply.text().as_str()), (StopReason::Done, "It does not work."));
    let said: Vec<String> = history(&session).into_iter().filter(|line| line.starts_with("observation")).collect();
    assert!(said[0].ends_with("Correct it; 2 attempts are left."), "{}", said[0]);
    assert!(said[1].ends_with("Correct it; this is the last attempt."), "{}", said[1]);
    assert!(said[2].ends_with("Say in plain words what does not work. Do not run more code."), "{}", said[2]);
    let choices: Vec<ToolChoice> = model.requests().into_iter().map(|request| request.tool_choice).collect();
    assert_eq!(choices, [ToolChoice::Auto, ToolChoice::Auto, ToolChoice::Auto, ToolChoice::Answer]);
}

#[tokio::test]
async fn after_a_program_that_failed_and_came_again_unchanged_the_next_reply_is_sampled_warmer() {
    let interpreter = ScriptedInterpreter::new([fails(), fails(), fails()]);
    let model =
        ScriptedModel::new([Reply::code("a"), Reply::code("a\n"), Reply::code("b"), Reply::text("It does not work.")]);
    let mut session = agent(&model).interpreter(interpreter).max_repairs(2).build().unwrap().session();
    within(session.send("go")).await.unwrap();
    let temperatures: Vec<f32> = model.requests().iter().map(|request| request.sampling.temperature).collect();
    assert_eq!(temperatures, [0.0, 0.0, 0.8, 0.0]);
    let said: Vec<String> = history(&session).into_iter().filter(|line| line.starts_with("observation")).collect();
    let told = "This is the program that failed before, unchanged. Write a different one; this is the last attempt.";
    assert!(said[1].ends_with(told), "{}", said[1]);
}

#[tokio::test]
async fn a_program_that_works_gives_the_next_one_all_its_repairs_back() {
    let works = Cell::Gives(vec![stdout("1")], Execution::Ok);
    let interpreter = ScriptedInterpreter::new([fails(), works, fails()]);
    let model = ScriptedModel::new([Reply::code("a"), Reply::code("b"), Reply::code("c"), Reply::text("ok")]);
    let mut session = agent(&model).interpreter(interpreter).max_repairs(1).build().unwrap().session();
    within(session.send("go")).await.unwrap();
    assert_eq!(model.requests()[3].tool_choice, ToolChoice::Auto);
}

#[tokio::test]
async fn a_program_that_is_written_again_and_gives_the_same_is_a_circle() {
    let works = || Cell::Gives(vec![stdout("12412")], Execution::Ok);
    let interpreter = ScriptedInterpreter::new([works(), works()]);
    let model = ScriptedModel::new([Reply::code("print(a)"), Reply::code("print(a)"), Reply::text("12412")]);
    let mut session = agent(&model).interpreter(interpreter).build().unwrap().session();
    within(session.send("go")).await.unwrap();
    assert!(history(&session)[4].ends_with("Do not run more code."));
    assert_eq!(model.requests()[2].tool_choice, ToolChoice::Answer);
}

#[tokio::test]
async fn a_sandbox_that_is_not_set_up_is_told_with_the_command_that_sets_it_up() {
    let missing = || InterpreterError::NotSetUp {
        backend: "wasm",
        problem: "python.cwasm is missing".into(),
        command: "glassbox setup".into(),
    };
    let model = ScriptedModel::new([Reply::code("1"), Reply::text("I cannot compute.")]);
    let interpreter = ScriptedInterpreter::refusing(missing());
    let mut session = agent(&model).interpreter(interpreter).build().unwrap().session();
    let events: Vec<Event> = within(futures::TryStreamExt::try_collect(session.stream("go"))).await.unwrap();
    let failure = events.iter().find_map(|event| match event {
        Event::CodeFinished { error, execution: None, .. } => error.clone(),
        _ => None,
    });
    assert_eq!(failure.unwrap().hint.as_deref(), Some("type `glassbox setup`"));

    let refusing = ScriptedInterpreter::refusing(missing());
    let mut session = agent(&ScriptedModel::new([])).interpreter(refusing).build().unwrap().session();
    let error = session.interpreter().await.err().unwrap();
    assert_eq!(error.hint().as_deref(), Some("type `glassbox setup`"));
}
