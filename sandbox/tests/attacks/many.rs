//! Many sessions.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use glassbox_sandbox::{Backend, ExecuteRequest, Execution};

use crate::suite;

/// Resident memory of this process in KiB that is its own (not shared with files).
fn private_kib() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let private = rollup.lines().filter(|line| line.starts_with("Private_Dirty:"));
    private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

/// Folders of sessions, of this process and others.
fn session_folders() -> usize {
    let all = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    all.filter(|entry| entry.file_name().to_string_lossy().starts_with("glassbox-session-")).count()
}

/// Opened, used and closed, so many sessions leave nothing behind.
pub async fn sessions_leave_nothing(backend: &Arc<dyn Backend>, sessions: u32) {
    let use_one = async || {
        let session = backend.open().await.unwrap();
        let source = "x = bytearray(20_000_000)\nopen('f', 'w').write('x' * 1000)\nprint(len(x))";
        assert_eq!(suite::prints(&session, source).await, "20000000\n");
        session.close().await;
    };
    for _ in 0..sessions / 10 {
        use_one().await;
    }
    let before = private_kib();
    let folders = session_folders();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
    for _ in 0..sessions {
        use_one().await;
    }
    let grown = private_kib().saturating_sub(before);
    assert!(grown < 60_000, "{sessions} sessions left {grown} KiB");
    let left = std::fs::read_dir("/proc/self/fd").unwrap().count().saturating_sub(descriptors);
    assert!(left < 20, "{sessions} sessions left {left} descriptors");
    let left = session_folders().saturating_sub(folders);
    assert!(left < 60, "{sessions} sessions left {left} folders");
}

/// Of so many sessions at once, the good ones finish, whatever the others do.
pub async fn sessions_under_mixed_attack(backend: &Arc<dyn Backend>, sessions: usize) {
    const ATTACKS: [&str; 8] = [
        "while True: pass",
        "many = []\nwhile True: many.append('x' * 100_000)",
        "while True: print('spam')",
        "import os\nos._exit(1)",
        "def f(n): return f(n + 1)\nf(0)",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "for n in range(10**6): open(f'f{n}', 'w').close()",
        "import time\ntime.sleep(1000)",
    ];
    let one = async |number: usize| {
        let session = backend.open().await.unwrap();
        if let Some(attack) = ATTACKS.get(number % 10) {
            let ran = suite::run(&session, attack).await;
            assert_ne!(ran.execution, Execution::Ok, "{attack}");
            suite::works(&session).await;
        } else {
            for step in 0..5 {
                let source = format!("total = sum(n * n for n in range({step}, 2000))\nprint(total > 0, {number})");
                let events = session.execute(ExecuteRequest::new(source));
                let ran = suite::collect(events).await.unwrap();
                assert_eq!((ran.execution, ran.stdout()), (Execution::Ok, format!("True {number}\n")));
            }
        }
        session.close().await;
    };
    let all = join_all((0..sessions).map(one));
    tokio::time::timeout(Duration::from_secs(300), all).await.expect("the sessions do not finish");
}
