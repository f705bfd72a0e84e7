//! The interpreter's session of a conversation: when it is opened, forked and closed; its files.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use glassbox::model::Message;
use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::sandbox::{Backend, Execution, FileInfo, Output, Shared};
use glassbox::{Error, Event, TurnOptions};
use glassbox_tools::CancellationToken;

use crate::support::{Cell, ScriptedInterpreter, agent, history, promptly, session, within};

fn prints(text: &str) -> Cell {
    Cell::Gives(vec![Output::Stdout { text: text.to_owned() }], Execution::Ok)
}

/// Waits until as many sessions are closed.
async fn closed(interpreter: &ScriptedInterpreter, sessions: usize) {
    within(async {
        while interpreter.sessions().2 < sessions {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_is_opened_by_its_first_program_and_closed_with_the_conversation() {
    let interpreter = ScriptedInterpreter::new([prints("1"), prints("2")]);
    let model = ScriptedModel::new([Reply::text("hi"), Reply::code("1").and_code("2"), Reply::text("ok")]);
    let mut session = agent(&model).interpreter(interpreter.clone()).build().unwrap().session();
    within(session.send("hello")).await.unwrap();
    assert_eq!(interpreter.sessions(), (0, 0, 0));
    within(session.send("go")).await.unwrap();
    assert_eq!(interpreter.sessions(), (1, 0, 0));
    drop(session);
    closed(&interpreter, 1).await;
}

#[tokio::test]
async fn two_conversations_do_not_share_and_a_shared_interpreter_is_not_closed() {
    let interpreter = ScriptedInterpreter::new([Cell::Writes("/mnt/data/a", b"a"), Cell::CountsFiles]);
    let model = ScriptedModel::new([Reply::code("1"), Reply::text("ok"), Reply::code("2"), Reply::text("ok")]);
    let apart = agent(&model).interpreter(interpreter.clone()).build().unwrap();
    let (mut first, mut second) = (apart.session(), apart.session());
    within(first.send("go")).await.unwrap();
    let reply = within(second.send("go")).await.unwrap();
    assert_eq!(reply.code()[0].observation, "0 files");

    let interpreter = ScriptedInterpreter::new([Cell::Writes("/mnt/data/a", b"a"), Cell::CountsFiles]);
    let model = ScriptedModel::new([Reply::code("1"), Reply::text("ok"), Reply::code("2"), Reply::text("ok")]);
    let shared = Shared::new(interpreter.open().await.unwrap());
    let together = agent(&model).interpreter(shared).build().unwrap();
    within(together.session().send("go")).await.unwrap();
    let reply = within(together.session().send("go")).await.unwrap();
    assert_eq!(reply.code()[0].observation, "1 files");
    tokio::task::yield_now().await;
    assert_eq!(interpreter.sessions(), (1, 0, 0));
}

#[tokio::test]
async fn a_clone_goes_on_in_a_fork_once_one_of_both_runs_something() {
    let interpreter = ScriptedInterpreter::new([
        Cell::Writes("/mnt/data/a", b"a"),
        Cell::Writes("/mnt/data/b", b"b"),
        Cell::CountsFiles,
        Cell::CountsFiles,
    ]);
    let model = ScriptedModel::from_fn(|request| match request.messages.last() {
        Some(Message::User { content }) => Reply::code(content),
        _ => Reply::text("ok"),
    });
    let mut first = agent(&model).interpreter(interpreter.clone()).build().unwrap().session();
    within(first.send("write a")).await.unwrap();
    let mut branch = first.clone();
    assert_eq!(interpreter.sessions(), (1, 0, 0));
    within(branch.send("write b")).await.unwrap();
    assert_eq!(interpreter.sessions(), (1, 1, 0));
    let count = within(first.send("count")).await.unwrap();
    assert_eq!(count.code()[0].observation, "1 files");
    let count = within(branch.send("count")).await.unwrap();
    assert_eq!(count.code()[0].observation, "2 files");
    assert_eq!(interpreter.sessions(), (1, 1, 0));
    drop((first, branch));
    closed(&interpreter, 2).await;
}

#[tokio::test]
async fn where_nothing_can_be_forked_the_model_is_told_that_variables_are_gone() {
    let interpreter = ScriptedInterpreter::new([prints("1"), prints("2")]).without_fork();
    let model = ScriptedModel::new([Reply::code("1"), Reply::text("ok"), Reply::code("2"), Reply::text("ok")]);
    let mut first = agent(&model).interpreter(interpreter.clone()).build().unwrap().session();
    within(first.send("go")).await.unwrap();
    let mut branch = first.clone();
    let reply = within(branch.send("go")).await.unwrap();
    let observation = &reply.code()[0].observation;
    assert!(observation.starts_with("[This is a new session") && observation.ends_with("\n2"), "{observation}");
}

#[tokio::test]
async fn uploads_are_announced_once_and_files_that_programs_write_are_listed() {
    let interpreter = ScriptedInterpreter::new([Cell::Writes("/mnt/data/out.csv", b"1,2"), Cell::CountsFiles]);
    let model =
        ScriptedModel::new([Reply::code("write"), Reply::text("written"), Reply::code("count"), Reply::text("two")]);
    let mut session = agent(&model).interpreter(interpreter).build().unwrap().session();
    assert_eq!(session.files().await.unwrap(), []);
    session.upload("in.csv", b"a,b").await.unwrap();
    let events: Vec<Event> = within(session.stream("Sum it up.").try_collect()).await.unwrap();
    let out = FileInfo::new("/mnt/data/out.csv", 3);
    assert!(events.iter().any(|event| matches!(event, Event::CodeFinished { files, .. } if *files == [out.clone()])));
    let reply = within(session.send("How many?")).await.unwrap();
    assert_eq!(reply.code()[0].files, []);
    assert_eq!(
        history(&session),
        [
            "user #File: /mnt/data/in.csv\n#Size: 3\n#File uploaded\nSum it up.",
            "code",
            "observation [The program ran without output.]\n[File /mnt/data/out.csv, 3 bytes]",
            "assistant written",
            "user How many?",
            "code",
            "observation 2 files",
            "assistant two",
        ]
    );
    // The dialect hears of them in that turn alone.
    let uploads: Vec<bool> = model.requests().iter().map(|request| request.interpreter_notes.uploads).collect();
    assert_eq!(uploads, [true, true, false, false]);
    assert_eq!(session.file("/mnt/data/out.csv").await.unwrap(), b"1,2");
    assert_eq!(session.files().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_restart_that_a_person_asks_for_is_told_with_the_next_program_and_once() {
    let interpreter = ScriptedInterpreter::new([Cell::CountsFiles, Cell::CountsFiles, Cell::CountsFiles]);
    let replies = (0..3).flat_map(|_| [Reply::code("count"), Reply::text("ok")]);
    let mut session = agent(&ScriptedModel::new(replies)).interpreter(interpreter.clone()).build().unwrap().session();
    session.restart_interpreter().await.unwrap();
    assert_eq!(interpreter.sessions().0, 0, "none is opened for it");
    within(session.send("1")).await.unwrap();
    session.restart_interpreter().await.unwrap();
    // Neither an upload nor a look at the session is where the model reads of it.
    session.upload("in.csv", b"a,b").await.unwrap();
    within(session.send("2")).await.unwrap();
    within(session.send("3")).await.unwrap();
    let observations: Vec<String> = history(&session).into_iter().filter(|l| l.starts_with("observation")).collect();
    let told: Vec<bool> = observations.iter().map(|line| line.contains("This is a new session")).collect();
    assert_eq!(told, [false, true, false], "{observations:?}");
}

#[tokio::test]
async fn files_need_an_interpreter_and_a_plain_name() {
    let mut none = session(&ScriptedModel::new([]));
    assert!(matches!(none.upload("a.csv", b"").await, Err(Error::NoInterpreter)));
    let interpreter = ScriptedInterpreter::new([]);
    let mut some = agent(&ScriptedModel::new([])).interpreter(interpreter).build().unwrap().session();
    let error = some.upload("../a.csv", b"").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`../a.csv` is not a path in the session: an upload has a plain file name, without folders"
    );
    assert!(matches!(some.file("/mnt/data/a").await, Err(Error::Interpreter(_))));
}

#[tokio::test]
async fn a_cancelled_turn_stops_its_cell_and_the_session_goes_on() {
    let running = Output::Stdout { text: "working".into() };
    let interpreter = ScriptedInterpreter::new([Cell::Runs(running), prints("2")]);
    let model = ScriptedModel::new([Reply::code("1"), Reply::code("2"), Reply::text("ok")]);
    let mut session = agent(&model).interpreter(interpreter.clone()).build().unwrap().session();
    let token = CancellationToken::new();
    let mut events = session.stream_with("go", TurnOptions::new().cancellation(token.clone()));
    within(async { while !matches!(events.next().await, Some(Ok(Event::CodeOutput { .. }))) {} }).await;
    token.cancel();
    promptly(async { while events.next().await.is_some() {} }).await;
    drop(events);
    assert_eq!(interpreter.interrupted(), 1);
    within(session.send("again")).await.unwrap();
    assert_eq!(interpreter.sessions().0, 1);
    let _: Arc<dyn Backend> = Arc::new(interpreter);
}
