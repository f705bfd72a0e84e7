use std::io::Write as _;
use std::os::unix::fs::symlink;

use zip::write::SimpleFileOptions;

use super::*;

/// Writes a wheel with these files.
fn wheel(folder: &Path, name: &str, files: &[(&str, &[u8])]) {
    let mut archive = zip::ZipWriter::new(File::create(folder.join(name)).unwrap());
    for (path, bytes) in files {
        archive.start_file(*path, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

struct Place {
    _root: tempfile::TempDir,
    home: Home,
    folder: PathBuf,
}

fn place() -> Place {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("wheels");
    fs::create_dir(&folder).unwrap();
    Place { home: Home::at(root.path().join("home")), folder, _root: root }
}

impl Place {
    fn prepare(&self) -> Result<PathBuf, InterpreterError> {
        prepare(&self.home, &self.folder)
    }

    fn refused(&self) -> String {
        let error = self.prepare().unwrap_err();
        assert!(matches!(error, InterpreterError::Packages { .. }) && error.hint().is_some(), "{error:?}");
        // Nothing is left of what was begun.
        let left = fs::read_dir(self.home.packages()).map_or(0, |items| items.count());
        assert_eq!(left, 0, "{error}");
        error.to_string()
    }
}

#[test]
fn wheels_are_unpacked_once_and_again_when_one_changes() {
    let place = place();
    wheel(&place.folder, "a-1.0-py3-none-any.whl", &[("a/__init__.py", b"x = 1"), ("a/data.txt", b"data")]);
    let data: &[(&str, &[u8])] = &[("b-1.0.data/purelib/b.py", b""), ("b-1.0.data/scripts/b", b"#!python")];
    wheel(&place.folder, "b-1.0-1-py2.py3-none-any.whl", data);
    let target = place.prepare().unwrap();
    assert_eq!(fs::read(target.join("a/data.txt")).unwrap(), b"data");
    assert!(target.join("b.py").exists() && !target.join("b-1.0.data").exists());
    fs::write(target.join("mark"), b"").unwrap();
    assert_eq!(place.prepare().unwrap(), target);
    assert!(target.join("mark").exists(), "it was not unpacked again");
    wheel(&place.folder, "a-1.0-py3-none-any.whl", &[("a/__init__.py", b"x = 2")]);
    assert_ne!(place.prepare().unwrap(), target);
}

#[test]
fn a_folder_of_unpacked_packages_is_taken_as_it_is() {
    let place = place();
    fs::create_dir(place.folder.join("a")).unwrap();
    fs::write(place.folder.join("README.txt"), "").unwrap();
    assert_eq!(place.prepare().unwrap(), place.folder);
    wheel(&place.folder, "b-1.0-py3-none-any.whl", &[("b.py", b"")]);
    assert!(place.refused().contains("holds wheels and, beside them, a"));
}

#[test]
fn what_is_not_pure_python_is_refused_by_name() {
    for (name, problem) in [
        ("numpy-2.0-cp313-cp313-manylinux_2_17_x86_64.whl", "has native code (cp313-cp313-manylinux_2_17_x86_64)"),
        ("a-1.0-py3-none-linux_x86_64.whl", "has native code"),
        ("a-1.0-py2-none-any.whl", "is not for Python 3 (py2)"),
        ("py3-none-any.whl", "is not named as a wheel"),
        ("a-1.0.tar.gz", "is no wheel"),
    ] {
        let place = place();
        wheel(&place.folder, name, &[("a.py", b"")]);
        let error = place.refused();
        assert!(error.contains(name) && error.contains(problem), "{error}");
    }
    let place = place();
    fs::remove_dir(&place.folder).unwrap();
    assert!(place.refused().contains("cannot be read"));
}

#[test]
fn a_hostile_wheel_leaves_nothing_and_reaches_nothing() {
    let hostile: [&[(&str, &[u8])]; 4] = [
        &[("a.py", b""), ("../out.py", b"")],
        &[("a/../../out.py", b"")],
        &[("a.py", b""), ("a.py/b.py", b"")],
        &[("a/b.py", b""), ("a", b"")],
    ];
    for files in hostile {
        let place = place();
        wheel(&place.folder, "a-1.0-py3-none-any.whl", files);
        let error = place.refused();
        assert!(error.contains("a-1.0-py3-none-any.whl"), "{error}");
        assert!(!place.home.root().join("out.py").exists() && !place.folder.join("../out.py").exists());
    }
    let place = place();
    let mut archive = zip::ZipWriter::new(File::create(place.folder.join("a-1.0-py3-none-any.whl")).unwrap());
    archive.add_symlink("a", "/etc", SimpleFileOptions::default()).unwrap();
    archive.finish().unwrap();
    assert!(place.refused().contains("does not lie inside it"));
    fs::write(place.folder.join("a-1.0-py3-none-any.whl"), b"PK no zip").unwrap();
    assert!(place.refused().contains("cannot be unpacked"));
    fs::remove_file(place.folder.join("a-1.0-py3-none-any.whl")).unwrap();
    symlink("/nowhere", place.folder.join("a-1.0-py3-none-any.whl")).unwrap();
    assert!(place.refused().contains("cannot be unpacked"));
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let place = place();
    let mut archive = zip::ZipWriter::new(File::create(place.folder.join("a-1.0-py3-none-any.whl")).unwrap());
    let zeros = vec![0; 1 << 20];
    archive.start_file("a.bin", SimpleFileOptions::default()).unwrap();
    for _ in 0..513 {
        archive.write_all(&zeros).unwrap();
    }
    archive.finish().unwrap();
    assert!(place.refused().contains("unpack to more than 536870912 bytes"));
}

#[test]
fn two_versions_of_a_package_are_refused() {
    let place = place();
    for name in ["a-1.0-py3-none-any.whl", "a-2.0-py3-none-any.whl"] {
        wheel(&place.folder, name, &[("a/__init__.py", b"")]);
    }
    let error = place.refused();
    assert!(error.contains("a-2.0-py3-none-any.whl and another wheel") && error.contains("a/__init__.py"), "{error}");
}
