//! Files whose names and kinds a hostile program has chosen.

use std::os::unix::fs::symlink;

use super::*;

fn files() -> (tempfile::TempDir, Files) {
    let folder = tempfile::tempdir().unwrap();
    let (data, tmp) = (folder.path().join("data"), folder.path().join("tmp"));
    std::fs::create_dir(&data).unwrap();
    std::fs::create_dir(&tmp).unwrap();
    let limits = Limits { disk: 1000, files: 10, ..Limits::default() };
    (folder, Files::new(data, tmp, limits))
}

fn names(files: &Files) -> Vec<String> {
    files.usage().files.into_iter().map(|file| file.path).collect()
}

#[test]
fn files_are_put_got_listed_and_cleared() {
    let (_folder, files) = files();
    files.put("b.txt", b"1").unwrap();
    files.put("/mnt/data/a/c.txt", b"22").unwrap();
    files.put("/tmp/t", b"333").unwrap();
    files.put("./b.txt", b"new").unwrap();
    assert_eq!(names(&files), ["/mnt/data/a/c.txt", "/mnt/data/b.txt", "/tmp/t"]);
    assert_eq!((files.usage().bytes, files.usage().count), (8, 4));
    assert_eq!(files.get("/mnt/data/b.txt").unwrap(), b"new");
    assert!(matches!(files.get("none"), Err(InterpreterError::NoFile { .. })));
    files.clear().unwrap();
    assert_eq!(names(&files), [""; 0]);
}

#[test]
fn paths_that_lead_out_are_refused() {
    let (_folder, files) = files();
    for path in
        ["../x", "/etc/passwd", "/mnt/data/../x", "/mnt/database/x", "", "/", "/mnt/data", "a/../../b", "a/", "a\0"]
    {
        assert!(matches!(files.get(path), Err(InterpreterError::BadPath { .. })), "{path:?}");
        assert!(matches!(files.put(path, b""), Err(InterpreterError::BadPath { .. })), "{path:?}");
    }
}

#[test]
fn a_link_is_not_followed_and_a_put_replaces_it() {
    let (folder, files) = files();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s").unwrap();
    symlink(&secret, folder.path().join("data/file")).unwrap();
    symlink(folder.path(), folder.path().join("data/folder")).unwrap();
    assert!(matches!(files.get("file"), Err(InterpreterError::BadPath { .. })));
    assert!(matches!(files.get("folder/secret"), Err(InterpreterError::BadPath { .. })));
    assert!(files.put("folder/secret", b"x").is_err());
    assert_eq!(names(&files), [""; 0]);
    files.put("file", b"mine").unwrap();
    assert_eq!(files.get("file").unwrap(), b"mine");
    files.clear().unwrap();
    assert_eq!(std::fs::read(&secret).unwrap(), b"s");
}

#[test]
fn a_pipe_neither_blocks_nor_counts() {
    let (folder, files) = files();
    rustix::fs::mknodat(CWD, folder.path().join("data/pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert!(matches!(files.get("pipe"), Err(InterpreterError::BadPath { .. })));
    assert_eq!(names(&files), [""; 0]);
}

#[test]
fn the_limits_of_bytes_and_of_files_are_held() {
    let (folder, files) = files();
    files.put("a", &[0; 900]).unwrap();
    assert!(matches!(files.put("b", &[0; 101]), Err(InterpreterError::Limit { .. })));
    files.put("a", &[0; 1000]).unwrap();
    for n in 0..9 {
        files.put(&format!("n{n}"), b"").unwrap();
    }
    assert!(matches!(files.put("more", b""), Err(InterpreterError::Limit { .. })));
    // A hole takes no room on the disk, and would take it in memory.
    std::fs::File::create(folder.path().join("data/a")).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(files.get("a"), Err(InterpreterError::Limit { .. })));
}
