use super::*;

#[test]
fn a_part_goes_on_at_its_end_or_at_its_last_whole_piece() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.part");
    let mut part = Part::open(&path, "a", 100, Resume::AtEnd).unwrap();
    part.write(b"12345").unwrap();
    part.end_step().unwrap();
    part.write(b"678").unwrap();
    drop(part);

    let part = Part::open(&path, "a", 100, Resume::AtEnd).unwrap();
    assert_eq!((part.len(), part.steps()), (8, 1));
    let part = Part::open(&path, "a", 100, Resume::AtStep).unwrap();
    assert_eq!((part.len(), part.steps()), (5, 1));
    drop(part);
    assert_eq!(fs::read(&path).unwrap(), b"12345");
}

#[test]
fn a_part_from_elsewhere_or_too_long_is_started_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.part");
    let fill = || {
        let mut part = Part::open(&path, "a", 100, Resume::AtEnd).unwrap();
        part.restart().unwrap();
        part.write(b"12345").unwrap();
        part.end_step().unwrap();
    };
    fill();
    assert_eq!(Part::open(&path, "b", 100, Resume::AtEnd).unwrap().len(), 0, "another origin");
    fill();
    assert_eq!(Part::open(&path, "a", 4, Resume::AtEnd).unwrap().len(), 0, "longer than the file");
    fill();
    fs::write(&path, "12").unwrap();
    assert_eq!(Part::open(&path, "a", 100, Resume::AtStep).unwrap().steps(), 0, "shorter than its state says");
    fill();
    fs::write(state_path(&path), "{").unwrap();
    assert_eq!(Part::open(&path, "a", 100, Resume::AtEnd).unwrap().len(), 0, "its state cannot be read");
}

#[test]
fn installing_leaves_nothing_but_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("x");
    let mut part = Part::open(&dir.path().join("x.part"), "a", 5, Resume::AtEnd).unwrap();
    part.write(b"12345").unwrap();
    part.install(&target).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"12345");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_cannot_fit_is_refused_before_it_is_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let error = Part::open(&dir.path().join("x.part"), "a", 1 << 60, Resume::AtEnd).unwrap_err();
    let FetchError::DiskFull { missing, free, .. } = &error else { panic!("{error}") };
    assert_eq!(*missing, 1 << 60);
    assert!(free.unwrap() > 0);
    assert!(error.hint().unwrap().contains("GLASSBOX_CACHE"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_is_told_as_such() {
    // Every write to /dev/full fails as on a full disk.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.part");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let mut part = Part::open(&path, "a", 100, Resume::AtEnd).unwrap();
    let error = part.write(b"12345").unwrap_err();
    assert!(matches!(error, FetchError::DiskFull { missing: 100, .. }), "{error}");
}
