//! What is particular to CPython in WebAssembly: what a lost session goes back to, quotas, images, and packages.
//!
//! Needs what `glassbox setup` makes.

#![cfg(feature = "wasm")]
#![allow(
    unreachable_pub,
    unused_macros,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic; its helpers are shared between test files"
)]

mod backends;
mod suite;

use std::sync::Arc;
use std::time::{Duration, Instant};

use glassbox_sandbox::wasm::small::Small;
use glassbox_sandbox::wasm::{Builder, Image, Sandbox};
use glassbox_sandbox::{
    Backend, DenialKind, ExecuteRequest, Execution, Interpreter, InterpreterError, Limits, Output, Recovery,
};
use suite::{Ran, collect, prints, run, works};

async fn open(builder: Builder) -> Arc<dyn Interpreter> {
    backends::built(builder.build()).open().await.unwrap()
}

async fn limited(limits: Limits) -> Arc<dyn Interpreter> {
    open(Sandbox::builder().limits(limits)).await
}

fn recovery(ran: &Ran) -> Option<Recovery> {
    ran.outputs.iter().find_map(|output| match output {
        Output::SessionLost { recovery, .. } => Some(*recovery),
        _ => None,
    })
}

#[tokio::test]
async fn a_lost_session_goes_on_from_the_state_and_the_files_before_the_cell() {
    let session = limited(Limits::default()).await;
    session.put_file("put.txt", b"put").await.unwrap();
    run(&session, "x = 1\nopen('made.txt', 'w').write('made')").await;
    // The second cell finds a checkpoint of the first, as there was none before.
    run(&session, "x").await;
    run(&session, "x = 2").await;
    let crash = "import os\nx = 3\nos.remove('put.txt')\nopen('made.txt', 'w').write('other')\nos._exit(3)";
    let ran = run(&session, crash).await;
    assert_eq!(ran.execution, Execution::Restarted);
    let lost = match recovery(&ran).unwrap() {
        Recovery::Restored => 2,
        Recovery::RestoredEarlier { cells } => 2_u32.saturating_sub(cells).max(1),
        other => panic!("{other:?}"),
    };
    let expected = format!("{lost} put made\n");
    assert_eq!(prints(&session, "print(x, open('put.txt').read(), open('made.txt').read())").await, expected);
    // The first cell of a session is lost to the state in which it began.
    let session = limited(Limits::default()).await;
    let ran = run(&session, "y = 1\nimport os\nos.abort()").await;
    assert_eq!(recovery(&ran), Some(Recovery::Restored), "{:?}", ran.outputs);
    assert!(run(&session, "y").await.error().is_some());
}

#[tokio::test]
async fn a_cell_that_was_idle_before_is_restored_exactly() {
    let session = limited(Limits::default()).await;
    run(&session, "x = 7").await;
    // A question to the session comes after its checkpoint, where it is idle: wait for one that says so.
    let begun = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let ran = run(&session, "import os\nos._exit(1)").await;
        if recovery(&ran) == Some(Recovery::Restored) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "never idle: {:?}", ran.outputs);
        run(&session, "x = 7").await;
    }
    assert_eq!(prints(&session, "print(x)").await, "7\n");
}

#[tokio::test]
async fn disk_quota_counts_what_is_there_and_removing_frees_it() {
    let session = limited(Limits { disk: 4 << 20, files: 20, open_files: 10, ..Limits::default() }).await;
    let ran = run(&session, "f = open('big', 'wb')\nwhile True: f.write(bytes(1 << 20))").await;
    assert!(ran.error().is_some_and(|error| error.starts_with("OSError")), "{:?}", ran.outputs);
    assert!(ran.denied(DenialKind::Disk));
    let again = "import os\nf = None\nos.remove('big')\nprint(open('big', 'wb').write(bytes(3 << 20)))";
    assert_eq!(prints(&session, again).await, "3145728\n");
    // Overwriting takes no more.
    assert_eq!(
        prints(&session, "for _ in range(9): open('big', 'wb').write(bytes(3 << 20))\nprint('ok')").await,
        "ok\n"
    );
    let unlinked = "os.remove('big')\nkept = []\nwhile True:\n    f = open('x', 'wb')\n    kept.append(f)\n    \
                    f.write(bytes(1 << 20))\n    f.flush()\n    os.remove('x')";
    assert!(run(&session, unlinked).await.denied(DenialKind::Disk));
    let ran = run(&session, "kept = f = None\nfor n in range(99): os.mkdir(f'd{n}')").await;
    assert!(ran.denied(DenialKind::Files), "{:?}", ran.outputs);
    let ran = run(&session, "kept = [open('/tmp/a', 'w')]\nwhile True: kept.append(open('/tmp/a'))").await;
    assert!(ran.denied(DenialKind::Files), "{:?}", ran.outputs);
    let put = session.put_file("put", &[0; 5 << 20]).await;
    assert!(matches!(put, Err(InterpreterError::Limit { .. })), "{put:?}");
    works(&session).await;
}

#[tokio::test]
async fn sessions_of_one_image_draw_different_random_numbers() {
    let source = "import random\nprint(random.random(), __import__('os').urandom(8).hex())";
    let one = prints(&limited(Limits::default()).await, source).await;
    assert_ne!(one, prints(&limited(Limits::default()).await, source).await);
}

#[tokio::test]
async fn the_scientific_image_has_its_packages_and_draws() {
    let sandbox = Sandbox::builder().image(Image::Scientific).build().unwrap();
    let (one, two) = (sandbox.open().await.unwrap(), sandbox.open().await.unwrap());
    let loaded =
        "import sys\nprint(all(name in sys.modules for name in ['numpy', 'pandas', 'sympy', 'matplotlib.pyplot']))";
    assert_eq!(prints(&one, loaded).await, "True\n");
    assert_eq!(
        prints(
            &one,
            "print([name for name in dir() if not name.startswith('_') and name not in ('sys', 'ToolError')])"
        )
        .await,
        "[]\n"
    );
    let drawn = run(&two, "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('x')\nplt.show()").await;
    let picture = |output: &Output| matches!(output, Output::Display { data, .. } if data.has_image());
    assert!(drawn.outputs.iter().any(picture), "{:?}", drawn.outputs);
    let chance = "import numpy\nprint(numpy.random.rand())";
    assert_ne!(prints(&one, chance).await, prints(&two, chance).await);
    // A snapshot belongs to the image that it was made over.
    let saved = one.snapshot().await.unwrap();
    let bare = limited(Limits::default()).await;
    assert!(matches!(bare.restore(&saved).await, Err(InterpreterError::BadSnapshot { .. })));
    assert_eq!(prints(&sandbox.reopen(&saved).await.unwrap(), "print(6 * 7)").await, "42\n");
}

#[tokio::test]
async fn packages_of_a_folder_are_imported_and_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("greeting.py"), "TEXT = 'hello'").unwrap();
    let session = open(Sandbox::builder().packages(folder.path())).await;
    assert_eq!(prints(&session, "import greeting\nprint(greeting.TEXT)").await, "hello\n");
    let ran = run(&session, "open(greeting.__file__, 'w').write('x')").await;
    assert_eq!(ran.execution, Execution::Error, "{:?}", ran.outputs);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let gone = Sandbox::builder().packages(folder.path().join("none")).build();
    assert!(matches!(gone, Err(InterpreterError::Packages { .. })));
}

#[tokio::test]
async fn wheels_of_a_folder_are_imported_with_their_data_and_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("greeting-1.2-py3-none-any.whl")).unwrap();
    let mut wheel = zip::ZipWriter::new(file);
    for (path, text) in [
        ("greeting/__init__.py", "import pathlib\nTEXT = (pathlib.Path(__file__).parent / 'text.txt').read_text()"),
        ("greeting/text.txt", "hello"),
        ("greeting-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.2\n"),
    ] {
        wheel.start_file(path, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut wheel, text.as_bytes()).unwrap();
    }
    wheel.finish().unwrap();
    let program = "import greeting, importlib.metadata as m\nprint(greeting.TEXT, m.version('greeting'))";
    let wasm = open(Sandbox::builder().packages(folder.path())).await;
    let small = Small::builder().packages(folder.path()).build().unwrap().open().await.unwrap();
    for session in [&wasm, &small] {
        assert_eq!(prints(session, program).await, "hello 1.2\n");
        let ran = run(session, "open(greeting.__file__, 'w').write('x')").await;
        assert_eq!(ran.execution, Execution::Error, "{:?}", ran.outputs);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_busy_program_holds_up_neither_the_caller_nor_other_sessions() {
    let sandbox = Sandbox::python().unwrap();
    let (busy, other) = (sandbox.open().await.unwrap(), sandbox.open().await.unwrap());
    let loops: Vec<_> = (0..4).map(|_| busy.execute(ExecuteRequest::new("while True: pass"))).collect();
    for _ in 0..5 {
        works(&other).await;
    }
    drop(loops);
    works(&busy).await;
}

#[tokio::test]
async fn sessions_outlive_their_sandbox_and_cells_their_session() {
    let session = Sandbox::python().unwrap().open().await.unwrap();
    let cell = session.execute(ExecuteRequest::new("import time\ntime.sleep(0.05)\n6 * 7"));
    drop(session);
    assert_eq!(collect(cell).await.unwrap().result().as_deref(), Some("42"));
}
