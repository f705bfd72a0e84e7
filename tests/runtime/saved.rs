//! Conversations that go on from a file. That a resumed one reads nothing again is shown in `tests/real_model.rs`.

use glassbox::model::scripted::{Reply, ScriptedModel};
use glassbox::{Agent, Error, Recorded, Sampling};
use serde_json::json;

use crate::support::{Cell, ScriptedInterpreter, agent, history, within};

#[tokio::test]
async fn a_saved_conversation_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk.json");
    let model = ScriptedModel::new([
        Reply::call("add", json!({"a": 1, "b": 2})),
        Reply::text("3"),
        Reply::call("add", json!({"a": 3, "b": 4})),
        Reply::text("7"),
    ]);
    let agent = agent(&model).system("Count.").build().unwrap();
    let mut session = agent.session();
    session.set_system("Add.");
    session.set_sampling(Sampling { temperature: 0.0, seed: Some(7), ..Sampling::default() });
    within(session.send("1 + 2")).await.unwrap();
    // A scripted model has no KV.
    assert_eq!(session.save(&file).await.unwrap(), 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let recorded = Recorded::read(&file).unwrap();
    assert_eq!((recorded.system.as_deref(), &recorded.messages[..]), (Some("Add."), session.messages()));
    assert_eq!(recorded.tools, agent.registry().specs(), "what the model was shown");

    let resumed = agent.resume(&file).await.unwrap();
    assert_eq!(resumed.reused_tokens.unwrap(), 0);
    let mut again = resumed.session;
    assert_eq!(again.messages(), session.messages());
    assert_eq!((again.system(), again.sampling()), (Some("Add."), session.sampling()));
    let reply = within(again.send("3 + 4")).await.unwrap();
    // Calls are numbered on.
    assert_eq!((reply.text(), reply.calls()[0].id.0.as_str()), ("7".to_owned(), "call-2"));
    assert_eq!(history(&again).len(), 8);
    // Saving again takes the place of the file.
    again.save(&file).await.unwrap();
    assert_eq!(agent.resume(&file).await.unwrap().session.messages(), again.messages());
}

#[tokio::test]
async fn the_model_is_told_that_its_variables_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk.json");
    let model = ScriptedModel::new([
        Reply::code("x = 1"),
        Reply::text("ok"),
        Reply::code("print(x)"),
        Reply::code("print(1)"),
        Reply::text("ok"),
    ]);
    let interpreter = ScriptedInterpreter::new([Cell::CountsFiles, Cell::CountsFiles, Cell::CountsFiles]);
    let agent = agent(&model).interpreter(interpreter).build().unwrap();
    let mut session = agent.session();
    within(session.send("go")).await.unwrap();
    session.save(&file).await.unwrap();
    let mut again = agent.resume(&file).await.unwrap().session;
    let reply = within(again.send("go")).await.unwrap();
    assert!(reply.code()[0].observation.starts_with("[This is a new session"), "{}", reply.code()[0].observation);
    // Once.
    assert_eq!(reply.code()[1].observation, "0 files");
}

#[tokio::test]
async fn what_is_no_saved_conversation_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk.json");
    let agent = agent(&ScriptedModel::new([])).build().unwrap();
    let problem = async |agent: &Agent| match agent.resume(&file).await.unwrap_err() {
        error @ Error::SavedSession { .. } => {
            assert!(error.hint().is_some());
            error.to_string()
        }
        other => panic!("{other:?}"),
    };
    assert!(problem(&agent).await.contains("reading it failed"));
    std::fs::write(&file, "{}").unwrap();
    assert!(problem(&agent).await.contains("glassbox_session"));
    agent.session().save(&file).await.unwrap();
    let other = std::fs::read_to_string(&file).unwrap().replace("\"glassbox_session\":1", "\"glassbox_session\":2");
    std::fs::write(&file, other).unwrap();
    assert!(problem(&agent).await.contains("version 2"));
    assert!(matches!(Recorded::read(&file), Err(Error::SavedSession { .. })));
    let nowhere = folder.path().join("none/talk.json");
    assert!(matches!(agent.session().save(&nowhere).await, Err(Error::SavedSession { .. })));
}
