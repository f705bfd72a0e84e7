//! Files of a session that the host reads while a kernel changes them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use glassbox_sandbox::{Backend, Interpreter};

use super::super::{Fate::*, Target, attack_in};
use crate::suite::{self, run, works};

type Under<'a> = &'a Arc<dyn Backend>;

/// A pipe, where the host looks for a file.
pub async fn pipes_among_the_files(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    attack_in(&session, "import os, socket\nos.mkfifo('p')\nsocket.socket(socket.AF_UNIX).bind('s')", &[Ends]).await;
    let used = async |session: &Arc<dyn Interpreter>| {
        session.list_files().await.unwrap();
        assert!(session.get_file("p").await.is_err());
        assert!(session.get_file("s").await.is_err());
        session.put_file("p", b"x").await.unwrap();
        assert_eq!(session.get_file("p").await.unwrap(), b"x");
    };
    tokio::time::timeout(suite::HANG, used(&session)).await.expect("the host waits for a program");
    works(&session).await;
}

/// Files that change while the host reads them, by a process that outlives its cell.
pub async fn files_swapped_while_the_host_reads(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    let target = Target::new();
    let source = format!(
        "import os\nif os.fork() == 0:\n    while True:\n        try:\n            os.makedirs('d/e', exist_ok=True)\n            open('d/e/secret.txt', 'w').write('mine')\n            os.rename('d/e', 'd/f')\n            os.symlink({:?}, 'd/e')\n            os.remove('d/e')\n            os.remove('d/f/secret.txt')\n            os.rmdir('d/f')\n        except OSError: pass",
        target.file().parent().unwrap()
    );
    run(&session, &source).await;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(2) {
        let got = session.get_file("d/e/secret.txt").await;
        assert!(got.as_ref().map_or(true, |data| data.as_slice() == b"mine" || data.is_empty()), "{got:?}");
        let _ = session.put_file("d/e/planted.txt", b"x").await;
        let _ = session.list_files().await;
    }
    target.untouched();
    session.close().await;
}
