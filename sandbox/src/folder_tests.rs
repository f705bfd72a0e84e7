use std::os::unix::fs::symlink;

use super::*;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn path(text: &str) -> SandboxPath {
    SandboxPath::new(text).unwrap()
}

#[test]
fn files_are_put_got_and_listed_by_the_names_that_programs_use() -> Result {
    let folder = Folder::new()?;
    folder.put(&path("a/b.txt"), b"one")?;
    folder.put(&path("/mnt/data/a/b.txt"), b"two")?;
    folder.put(&path("/tmp/c"), b"")?;
    assert_eq!(folder.get(&path("./a//b.txt"), 3)?, b"two");
    let listed: Vec<_> = folder.list()?.into_iter().map(|file| (file.path, file.bytes)).collect();
    assert_eq!(listed, [("/mnt/data/a/b.txt".to_owned(), 3), ("/tmp/c".to_owned(), 0)]);
    assert_eq!(folder.usage()?, Usage { bytes: 3, files: 3 });
    folder.clear()?;
    assert_eq!(folder.usage()?, Usage::default());
    Ok(())
}

#[test]
fn symlink_escape_neither_reading_nor_writing_follows_a_link() -> Result {
    let outside = tempfile::tempdir()?;
    let secret = outside.path().join("secret");
    std::fs::write(&secret, b"secret")?;
    let folder = Folder::new()?;
    symlink(&secret, folder.host_path("data").join("file"))?;
    symlink(outside.path(), folder.host_path("data").join("folder"))?;
    for name in ["file", "folder/secret"] {
        let got = folder.get(&path(name), 100);
        assert!(matches!(got, Err(InterpreterError::BadPath { .. })), "{name}: {got:?}");
    }
    let put = folder.put(&path("folder/new"), b"x");
    assert!(matches!(put, Err(InterpreterError::BadPath { .. })), "{put:?}");
    folder.put(&path("file"), b"mine")?;
    assert_eq!(std::fs::read(&secret)?, b"secret");
    assert_eq!(folder.get(&path("file"), 100)?, b"mine");
    assert_eq!(folder.list()?.len(), 1);
    folder.clear()?;
    assert!(secret.exists());
    Ok(())
}

#[test]
fn path_traversal_only_paths_below_the_two_folders_are_paths() {
    let nowhere =
        ["", ".", "..", "../x", "a/../../x", "/etc/passwd", "/mnt/data", "/tmp/", "/mnt/database/x", "a\0b", "/"];
    for text in nowhere {
        assert!(matches!(SandboxPath::new(text), Err(InterpreterError::BadPath { .. })), "{text:?}");
    }
    for text in ["a", "爱心.png", "..a", "/tmp/a", "/mnt/data/./a"] {
        assert!(SandboxPath::new(text).is_ok(), "{text:?}");
    }
}

#[test]
fn what_is_too_large_or_no_file_is_not_read() -> Result {
    let folder = Folder::new()?;
    File::create(folder.host_path("data").join("sparse"))?.set_len(1 << 40)?;
    assert!(matches!(folder.get(&path("sparse"), 1 << 20), Err(InterpreterError::Limit { .. })));
    std::fs::create_dir(folder.host_path("data").join("folder"))?;
    assert!(matches!(folder.get(&path("folder"), 1), Err(InterpreterError::BadPath { .. })));
    assert!(matches!(folder.get(&path("absent"), 1), Err(InterpreterError::NoFile { .. })));
    assert!(matches!(folder.put(&path("folder"), b"x"), Err(InterpreterError::BadPath { .. })));
    Ok(())
}

#[test]
fn folders_deeper_than_anyone_looks_count_as_a_full_disk() -> Result {
    let folder = Folder::new()?;
    let mut deep = folder.host_path("tmp");
    for _ in 0..MAX_DEPTH {
        deep.push("d");
    }
    std::fs::create_dir_all(&deep)?;
    assert_eq!(folder.usage()?.files, u32::MAX);
    assert_eq!(folder.list()?, []);
    Ok(())
}

#[test]
fn a_pipe_is_no_file_and_nobody_waits_for_its_other_end() -> Result {
    let folder = Folder::new()?;
    let pipe = folder.host_path("data").join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    assert!(matches!(folder.get(&path("pipe"), 10), Err(InterpreterError::BadPath { .. })));
    assert_eq!(folder.list()?, []);
    folder.put(&path("pipe"), b"file")?;
    assert_eq!(folder.get(&path("pipe"), 10)?, b"file");
    Ok(())
}
