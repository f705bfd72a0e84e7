//! Programs that fill the disk. The limits of these tests: 16 MiB and 200 files.

use std::sync::Arc;

use glassbox_sandbox::{Backend, DenialKind, Execution};

use super::{Fate::*, attack, attack_in};
use crate::suite;

type Under<'a> = &'a Arc<dyn Backend>;

/// Whether the limit was met before the time was over.
fn reached(backend: Under<'_>, ran: &suite::Ran) -> bool {
    metered(backend) && ran.execution == Execution::Error
}

/// A kernel's disk is measured, not metered: its limit per file is hard, the others are not.
fn metered(backend: Under<'_>) -> bool {
    !backend.name().starts_with("jupyter")
}

const LIMITED: &[super::Fate] = &[Raises("Error"), Killed, Interrupted];
const LOOSE: &[super::Fate] = &[Raises("Error"), Killed, Interrupted, Ends];

fn fates(backend: Under<'_>) -> &'static [super::Fate] {
    if metered(backend) { LIMITED } else { LOOSE }
}

pub async fn file_of_a_gigabyte(backend: Under<'_>) {
    let source = "f = open('big', 'wb')\nfor _ in range(1000):\n    f.write(b'0' * 10**6)\n    f.flush()";
    let ran = attack(backend, source, LIMITED).await;
    if reached(backend, &ran) {
        assert!(ran.denied(DenialKind::Disk), "{:?}", ran.outputs);
    }
}

pub async fn million_files(backend: Under<'_>) {
    let ran = attack(backend, "for n in range(10**6): open(f'f{n}', 'w').close()", fates(backend)).await;
    if reached(backend, &ran) {
        assert!(ran.denied(DenialKind::Files), "{:?}", ran.outputs);
    }
}

pub async fn million_folders(backend: Under<'_>) {
    let ran = attack(backend, "import os\nfor n in range(10**6): os.mkdir(f'd{n}')", fates(backend)).await;
    if reached(backend, &ran) {
        assert!(ran.denied(DenialKind::Files), "{:?}", ran.outputs);
    }
}

pub async fn truncate_bomb(backend: Under<'_>) {
    attack(backend, "f = open('t', 'wb')\nf.truncate(10**9)", LIMITED).await;
}

pub async fn write_far_behind_the_end(backend: Under<'_>) {
    let source = "f = open('s', 'wb')\nf.seek(10**12)\nf.write(b'x')\nf.flush()";
    let ran = attack(backend, source, LOOSE).await;
    drop(ran);
    // Whatever lies there, the host does not read a terabyte of it.
    let session = backend.open().await.unwrap();
    suite::run(&session, source).await;
    if let Ok(data) = session.get_file("s").await {
        assert!(data.len() <= 64 << 20);
    }
    suite::works(&session).await;
}

pub async fn links_without_end(backend: Under<'_>) {
    attack(backend, "import os\nfor n in range(10**5): os.symlink('a', f'l{n}')", fates(backend)).await;
}

pub async fn descriptors_without_end(backend: Under<'_>) {
    let source = "open('f', 'w').close()\nkept = []\nwhile True: kept.append(open('f'))";
    attack(backend, source, LIMITED).await;
}

pub async fn many_small_files_by_appending(backend: Under<'_>) {
    let source = "n = 0\nwhile True:\n    with open(f'a{n % 20}', 'ab') as f: f.write(b'y' * 100_000)\n    n += 1";
    attack(backend, source, fates(backend)).await;
}

pub async fn database_that_grows(backend: Under<'_>) {
    let source = "import sqlite3\nc = sqlite3.connect('a.db')\nc.execute('create table t(a)')\n\
                  while True:\n    c.execute('insert into t values(zeroblob(1000000))')\n    c.commit()";
    attack(backend, source, fates(backend)).await;
}

/// The limit is on what is there, not on what was ever written.
pub async fn deleting_makes_room(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    let source = "import os\nfor n in range(20):\n    with open('big', 'wb') as f: f.write(b'0' * 5_000_000)\n    os.remove('big')\nprint('end')";
    attack_in(&session, source, &[Prints("end\n"), Interrupted]).await;
    let source =
        "import os\nfor n in range(500):\n    open(f'f{n}', 'w').close()\n    os.remove(f'f{n}')\nprint('end')";
    attack_in(&session, source, &[Prints("end\n"), Interrupted]).await;
}

pub async fn names_that_are_very_long(backend: Under<'_>) {
    attack(backend, "open('n' * 100_000, 'w')", &[Raises("Error")]).await;
}

pub async fn folders_nested_deep(backend: Under<'_>) {
    let source = "import os\nfor n in range(5000):\n    os.mkdir('d')\n    os.chdir('d')";
    let session = backend.open().await.unwrap();
    attack_in(&session, source, LOOSE).await;
    // The host can list and clear it all the same.
    session.list_files().await.unwrap();
    session.restart().await.unwrap();
    assert_eq!(session.list_files().await.unwrap(), []);
}
