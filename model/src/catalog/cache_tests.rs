use super::*;

fn root(vars: &[(&str, &str)], home: Option<&str>) -> Result<PathBuf, FetchError> {
    let var = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
    Cache::from_vars(var, home.map(PathBuf::from)).map(|cache| cache.root)
}

#[test]
fn the_folder_follows_the_environment() {
    let home = Some("/home/ada");
    assert_eq!(root(&[], home).unwrap(), Path::new("/home/ada/.cache/glassbox"));
    assert_eq!(root(&[("XDG_CACHE_HOME", "/var/x")], home).unwrap(), Path::new("/var/x/glassbox"));
    assert_eq!(root(&[("XDG_CACHE_HOME", "relative")], home).unwrap(), Path::new("/home/ada/.cache/glassbox"));
    assert_eq!(root(&[("XDG_CACHE_HOME", "/var/x"), ("GLASSBOX_CACHE", "/big")], home).unwrap(), Path::new("/big"));
    assert_eq!(root(&[("GLASSBOX_CACHE", "")], home).unwrap(), Path::new("/home/ada/.cache/glassbox"));
    assert!(root(&[("GLASSBOX_CACHE", "here")], home).unwrap().is_absolute());
    assert!(matches!(root(&[], None), Err(FetchError::NoCacheFolder)));
}

#[test]
fn a_cache_that_does_not_exist_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path().join("none"));
    assert_eq!(cache.list().unwrap(), []);
    assert_eq!(cache.locate("smollm2-135m"), None);
    assert_eq!(cache.remove("smollm2-135m").unwrap(), 0);
    assert!(!dir.path().join("none").exists(), "looking makes no folder");
}

#[test]
fn a_mark_holds_until_the_file_changes() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path());
    let path = dir.path().join("x.gguf");
    fs::write(&path, "1234").unwrap();
    assert!(!cache.is_verified(&path, None));
    cache.mark(&path, "aa").unwrap();
    assert!(cache.is_verified(&path, None) && cache.is_verified(&path, Some("aa")));
    assert!(!cache.is_verified(&path, Some("bb")), "another file was wanted");

    fs::write(&path, "12345").unwrap();
    assert!(!cache.is_verified(&path, Some("aa")), "another length");
    fs::write(&path, "4321").unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert!(!cache.is_verified(&path, Some("aa")), "same length, another time");
    fs::write(marker_path(&path), "{").unwrap();
    assert!(!cache.is_verified(&path, None), "a broken mark is no mark");
}

#[test]
fn models_are_listed_and_removed_with_all_that_belongs_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path());
    let file: HubFile = "a/b/sub/c.gguf@refs/pr/1".parse().unwrap();
    let own = dir.path().join("models/own.gguf");
    let hub = cache.path_of_hub(&file);
    for path in [&own, &hub] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "1234").unwrap();
    }
    cache.mark(&hub, "aa").unwrap();
    fs::write(dir.path().join("models/own.gguf.part-hub"), "12").unwrap();
    fs::write(dir.path().join("models/own.gguf2"), "another file").unwrap();

    let listed = cache.list().unwrap();
    let names: Vec<_> = listed.iter().map(|c| (c.name.as_str(), c.bytes, c.verified)).collect();
    assert_eq!(names, [("hf:a/b/sub/c.gguf@refs/pr/1", 4, true), ("own", 4, false)]);
    assert_eq!(cache.locate("hf:a/b/sub/c.gguf@refs/pr/1"), Some(hub));
    assert_eq!(cache.locate("own"), None, "not a name that can be fetched");

    let held = Lock::take(&lock_path(&own)).unwrap().expect("free");
    assert!(matches!(cache.remove("own"), Err(FetchError::Busy { .. })));
    drop(held);
    assert_eq!(cache.remove("own").unwrap(), 6);
    assert!(!own.exists() && dir.path().join("models/own.gguf2").exists());
    assert_eq!(cache.remove("../models/own").unwrap(), 0);
    assert!(cache.remove("hf:a/b/sub/c.gguf@refs/pr/1").unwrap() > 4);
    assert_eq!(cache.list().unwrap(), []);
}
