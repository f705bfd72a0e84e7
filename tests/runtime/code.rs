//! Programs.

use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::sandbox::{Execution, MimeBundle, Output};
use glassbox::{StopReason, ToolChoice};
use serde_json::json;

use crate::support::{Cell, ScriptedInterpreter, agent, history, session};

fn stdout(text: &str) -> Output {
    Output::Stdout { text: text.to_owned() }
}

#[tokio::test]
async fn a_program_runs_and_its_outputs_are_read() {
    let result = Output::Result { data: MimeBundle::text("4") };
    let interpreter = ScriptedInterpreter::new([Cell::Gives(vec![stdout("hello\n"), result.clone()], Execution::Ok)]);
    let model = ScriptedModel::new([Reply::text("I compute.").and_code("print('hello')\n2 + 2"), Reply::text("4.")]);
    let mut session = agent(&model).interpreter(interpreter.clone()).build().unwrap().session();
    let reply = session.send("2 + 2?").await.unwrap();
    assert_eq!(reply.text(), "4.");
    assert_eq!(interpreter.ran(), ["print('hello')\n2 + 2"]);
    assert_eq!(
        history(&session),
        ["user 2 + 2?", "assistant I compute.", "code", "observation hello\n4", "assistant 4."]
    );
    let code = &reply.code()[0];
    assert_eq!((code.outputs.as_slice(), code.execution), (&[stdout("hello\n"), result][..], Some(Execution::Ok)));
    assert!(model.requests()[0].interpreter);
}

#[tokio::test]
async fn an_exception_is_read_and_the_next_program_corrects_it() {
    let error = Output::Error { name: "NameError".into(), value: "name 'x' is not defined".into(), traceback: vec![] };
    let interpreter = ScriptedInterpreter::new([
        Cell::Gives(vec![error], Execution::Error),
        Cell::Gives(vec![stdout("1\n")], Execution::Ok),
    ]);
    let model = ScriptedModel::new([Reply::code("x"), Reply::code("x = 1; print(x)"), Reply::text("1")]);
    let mut session = agent(&model).interpreter(interpreter).build().unwrap().session();
    session.send("x?").await.unwrap();
    assert_eq!(
        history(&session)[2],
        "observation NameError: name 'x' is not defined\n\nThe program failed. Correct it; 3 attempts are left."
    );
    assert_eq!(history(&session)[4], "observation 1");
}

#[tokio::test]
async fn programs_and_tools_of_one_reply_run_in_order() {
    let interpreter = ScriptedInterpreter::new([
        Cell::Gives(vec![stdout("a")], Execution::Ok),
        Cell::Gives(vec![stdout("b")], Execution::Ok),
    ]);
    let both = Reply::code("1").and_call("track", json!({"symbol": "10111"})).and_code("2");
    let model = ScriptedModel::new([both, Reply::text("ok")]);
    let mut session = agent(&model).interpreter(interpreter.clone()).build().unwrap().session();
    session.send("go").await.unwrap();
    assert_eq!(interpreter.ran(), ["1", "2"]);
    assert_eq!(history(&session)[4..7], ["observation a", "observation 12412", "observation b"]);
}

#[tokio::test]
async fn a_broken_interpreter_and_a_missing_one_are_observations() {
    let interpreter = ScriptedInterpreter::new([Cell::Breaks("the disk is full")]);
    let model = ScriptedModel::new([Reply::code("1"), Reply::text("sorry")]);
    let mut session = agent(&model).interpreter(interpreter).build().unwrap().session();
    let reply = session.send("go").await.unwrap();
    assert_eq!(reply.code()[0].execution, None);
    let observation = &history(&session)[2];
    assert!(observation.starts_with("observation Error: the interpreter failed: the disk is full."), "{observation}");

    let model = ScriptedModel::new([Reply::code("1"), Reply::text("sorry")]);
    let mut session = crate::support::session(&model);
    let reply = session.send("go").await.unwrap();
    assert_eq!(reply.stop(), StopReason::Done);
    assert_eq!(
        history(&session)[2],
        "observation Error: no code interpreter is available. Answer without running code."
    );
    assert!(!model.requests()[0].interpreter);
}

#[tokio::test]
async fn long_output_is_cut_and_kept() {
    let interpreter = ScriptedInterpreter::new([Cell::Gives(vec![stdout(&"x".repeat(100_000))], Execution::Ok)]);
    let model = ScriptedModel::new([Reply::code("1"), Reply::text("long")]).with_context_tokens(100_000);
    let mut session = agent(&model).interpreter(interpreter).build().unwrap().session();
    let reply = session.send("go").await.unwrap();
    let observation = &reply.code()[0].observation;
    assert!(observation.len() <= 16 * 1024 && observation.contains("of 100000 bytes are left out"));
}

#[tokio::test]
async fn a_session_may_have_its_own_interpreter_and_none_hides_it() {
    let own = ScriptedInterpreter::new([Cell::Gives(vec![stdout("own")], Execution::Ok)]);
    let model = ScriptedModel::new([Reply::code("1"), Reply::text("ok"), Reply::text("no")]);
    let mut first = session(&model);
    first.set_interpreter(own.clone());
    first.send("go").await.unwrap();
    assert_eq!(own.ran().len(), 1);
    let options = glassbox::TurnOptions::new().tool_choice(ToolChoice::None);
    first.send_with("go", options).await.unwrap();
    assert!(!model.requests()[2].interpreter);
}
