//! Saved states.

use std::sync::Arc;

use glassbox_sandbox::{Backend, InterpreterError, Limits, Snapshot, SnapshotSupport};

use super::{prints, run, works};

pub async fn a_state_is_saved_and_restored(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    run(&session, "x = [1]\nopen('f.txt', 'w').write('one')").await;
    let saved = session.snapshot().await;
    if session.capabilities().snapshot == SnapshotSupport::None {
        assert!(matches!(saved, Err(InterpreterError::Unsupported { .. })));
        return;
    }
    let saved = saved.unwrap();
    run(&session, "x.append(2)\nopen('f.txt', 'w').write('two')\nopen('g.txt', 'w').write('new')").await;
    session.restore(&saved).await.unwrap();
    let source = "import os\nprint(x, open('f.txt').read(), os.path.exists('g.txt'))";
    assert_eq!(prints(&session, source).await, "[1] one False\n");
}

pub async fn a_state_survives_as_bytes_in_a_new_session(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let backend = backend(Limits::default()).await;
    let session = backend.open().await.unwrap();
    if session.capabilities().snapshot == SnapshotSupport::None {
        return;
    }
    run(&session, "def f(n): return n + 1\nx = {'a': f(1)}\nopen('f.txt', 'w').write('kept')").await;
    let bytes = serde_json::to_vec(&session.snapshot().await.unwrap()).unwrap();
    session.close().await;
    let saved: Snapshot = serde_json::from_slice(&bytes).unwrap();
    let again = backend.reopen(&saved).await.unwrap();
    assert_eq!(prints(&again, "print(x, f(2), open('f.txt').read())").await, "{'a': 2} 3 kept\n");
}

pub async fn a_fork_goes_its_own_way(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    run(&session, "x = 1\nopen('f.txt', 'w').write('1')").await;
    if session.capabilities().snapshot == SnapshotSupport::None {
        assert!(matches!(session.fork().await.err(), Some(InterpreterError::Unsupported { .. })));
        return;
    }
    let fork = session.fork().await.unwrap();
    run(&session, "x = 2\nopen('f.txt', 'w').write('2')").await;
    assert_eq!(prints(&fork, "print(x, open('f.txt').read())\nx = 3").await, "1 1\n");
    assert_eq!(prints(&session, "print(x, open('f.txt').read())").await, "2 2\n");
    session.close().await;
    assert_eq!(prints(&fork, "print(x)").await, "3\n");
}

pub async fn a_foreign_snapshot_is_refused_and_changes_nothing(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = backend(Limits::default()).await.open().await.unwrap();
    run(&session, "x = 1").await;
    let mut wrong = vec![Snapshot { backend: "another".into(), data: vec![1, 2, 3] }];
    if session.capabilities().snapshot != SnapshotSupport::None {
        let good = session.snapshot().await.unwrap();
        let at = good.data.len() / 2;
        let mut flipped = good.clone();
        flipped.data[at] ^= 0x55;
        wrong.extend([
            Snapshot { data: good.data[..at].to_vec(), ..good.clone() },
            Snapshot { data: vec![], ..good },
            flipped,
        ]);
    }
    for snapshot in wrong {
        let refused = session.restore(&snapshot).await;
        let expected =
            matches!(refused, Err(InterpreterError::BadSnapshot { .. } | InterpreterError::Unsupported { .. }));
        assert!(expected, "{refused:?}");
        assert_eq!(prints(&session, "print(x)").await, "1\n");
    }
    works(&session).await;
}
