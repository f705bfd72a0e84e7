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

/// Opened, used and closed, sessions leave nothing behind.
pub async fn two_hundred_sessions_leave_no_memory(backend: &Arc<dyn Backend>) {
    let use_one = async || {
        let session = backend.open().await.unwrap();
        let source = "x = bytearray(20_000_000)\nopen('f', 'w').write('x' * 1000)\nprint(len(x))";
        assert_eq!(suite::prints(&session, source).await, "20000000\n");
        session.close().await;
    };
    for _ in 0..20 {
        use_one().await;
    }
    let before = private_kib();
    let folders = std::fs::read_dir(std::env::temp_dir()).unwrap().count();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
    for _ in 0..200 {
        use_one().await;
    }
    let grown = private_kib().saturating_sub(before);
    assert!(grown < 60_000, "200 sessions left {grown} KiB");
    let left = std::fs::read_dir("/proc/self/fd").unwrap().count().saturating_sub(descriptors);
    assert!(left < 20, "200 sessions left {left} descriptors");
    let left = std::fs::read_dir(std::env::temp_dir()).unwrap().count().saturating_sub(folders);
    assert!(left < 60, "200 sessions left {left} folders");
}

/// The good ones finish, whatever the others do.
pub async fn fifty_sessions_under_mixed_attack(backend: &Arc<dyn Backend>) {
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
    let all = join_all((0..50).map(one));
    tokio::time::timeout(Duration::from_secs(300), all).await.expect("fifty sessions do not finish");
}
