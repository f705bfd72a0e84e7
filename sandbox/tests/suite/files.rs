//! Files of a session.

use std::sync::Arc;

use glassbox_sandbox::{Backend, Interpreter, InterpreterError, Limits};

use super::{prints, run, works};

async fn open(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) -> Arc<dyn Interpreter> {
    let session = backend(Limits::default()).await.open().await.unwrap();
    assert!(session.capabilities().files, "every backend has files");
    session
}

pub async fn files_are_put_read_written_and_got(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = open(backend).await;
    session.put_file("/mnt/data/表.csv", "a,b\n1,2\n".as_bytes()).await.unwrap();
    // The working folder is /mnt/data.
    assert_eq!(prints(&session, "print(open('表.csv').read(), end='')").await, "a,b\n1,2\n");
    prints(&session, "open('out.bin', 'wb').write(bytes(range(256)))").await;
    let expected: Vec<u8> = (0..=255).collect();
    assert_eq!(session.get_file("/mnt/data/out.bin").await.unwrap(), expected);
    assert_eq!(session.get_file("out.bin").await.unwrap(), expected);
    session.put_file("表.csv", b"new").await.unwrap();
    assert_eq!(prints(&session, "print(open('表.csv').read())").await, "new\n");
}

pub async fn files_are_listed_in_order(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = open(backend).await;
    session.put_file("/mnt/data/b.txt", b"22").await.unwrap();
    session.put_file("/mnt/data/sub/c.txt", b"333").await.unwrap();
    prints(&session, "open('a.txt', 'w').write('1')").await;
    let listed = session.list_files().await.unwrap();
    let data: Vec<(&str, u64)> = listed
        .iter()
        .filter(|file| file.path.starts_with("/mnt/data/"))
        .map(|file| (file.path.as_str(), file.bytes))
        .collect();
    assert_eq!(data, [("/mnt/data/a.txt", 1), ("/mnt/data/b.txt", 2), ("/mnt/data/sub/c.txt", 3)]);
}

pub async fn a_file_that_is_written_again_has_another_version(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = open(backend).await;
    let version = async || {
        let listed = session.list_files().await.unwrap();
        listed.into_iter().find(|file| file.path == "/mnt/data/a.txt").unwrap().version
    };
    prints(&session, "open('a.txt', 'w').write('1')").await;
    let first = version().await;
    assert!(!first.is_empty());
    prints(&session, "1").await;
    assert_eq!(version().await, first);
    // Clocks of file systems tick a few milliseconds long.
    prints(&session, "import time\ntime.sleep(0.05)\nopen('a.txt', 'w').write('2')").await;
    assert_ne!(version().await, first);
}

pub async fn a_path_out_of_the_session_is_refused(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = open(backend).await;
    let paths = [
        "/etc/passwd",
        "../../etc/passwd",
        "/mnt/data/../../etc/passwd",
        "/mnt/data",
        "",
        "/",
        "a/\0b",
        "/mnt/data/..",
    ];
    for path in paths {
        let got = session.get_file(path).await;
        assert!(matches!(got, Err(InterpreterError::BadPath { .. })), "{path:?} gave {got:?}");
        let put = session.put_file(path, b"x").await;
        assert!(matches!(put, Err(InterpreterError::BadPath { .. })), "{path:?} gave {put:?}");
    }
    works(&session).await;
}

pub async fn a_link_out_of_the_session_is_not_followed(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = open(backend).await;
    // Whether the program may make such links is the backend's matter; the host must not follow them.
    let source = "import os\nfor target, name in [('/etc/passwd', 'l1'), ('../../../../../../etc/passwd', 'l2'), ('/etc', 'l3')]:\n\
                  \x20   try: os.symlink(target, name)\n    except OSError as e: pass";
    run(&session, source).await;
    for path in ["l1", "l2", "l3/passwd"] {
        assert!(session.get_file(path).await.is_err(), "{path} was followed");
        if session.put_file(path, b"mine").await.is_ok() {
            // Put in place of the link, not through it.
            assert_eq!(session.get_file(path).await.unwrap(), b"mine");
        }
    }
    let passwd = std::fs::read("/etc/passwd").unwrap();
    assert_ne!(passwd, b"mine");
    session.list_files().await.unwrap();
}

pub async fn a_missing_file_is_named(backend: impl AsyncFn(Limits) -> Arc<dyn Backend>) {
    let session = open(backend).await;
    let error = session.get_file("none.txt").await.unwrap_err();
    assert!(matches!(&error, InterpreterError::NoFile { path } if path == "/mnt/data/none.txt"), "{error:?}");
}
