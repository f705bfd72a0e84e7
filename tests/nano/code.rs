//! Programs in the WebAssembly sandbox. Needs what `glassbox setup` makes.

use glassbox::sandbox::Execution;

use crate::support::{ask, code_session};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_is_written_run_and_told_of() {
    let mut session = code_session().await;
    let reply = ask(&mut session, "计算[13, 58, 71]的和").await;
    let [record] = reply.code() else { panic!("{:?}", reply.messages()) };
    assert_eq!((record.source.trim(), record.observation.trim()), ("print(sum([13, 58, 71]))", "142"));
    assert!(reply.text().contains("142"), "{:?}", reply.text());
    // And again, in the same conversation and the same interpreter.
    let reply = ask(&mut session, "计算36 * 7").await;
    let [record] = reply.code() else { panic!("{:?}", reply.messages()) };
    assert_eq!(record.observation.trim(), "252");
    assert!(reply.text().contains("252"), "{:?}", reply.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_failed_is_repaired() {
    let mut session = code_session().await;
    let reply = ask(&mut session, "计算[13, '58', 71]的和").await;
    let [failed, repaired] = reply.code() else { panic!("{:?}", reply.messages()) };
    assert!(failed.observation.contains("TypeError: unsupported operand"), "{}", failed.observation);
    assert_eq!(failed.execution, Some(Execution::Error));
    assert_eq!(repaired.observation.trim(), "142", "{}", repaired.source);
    assert!(reply.text().contains("142"), "{:?}", reply.text());
}
