//! Attacks on the sandbox, each a test named after the threat: what happened, that it took no longer than it may, that
//! nothing of the host was seen or touched, and that the session and the next one work afterwards.
//!
//! A test file takes them with `attacked!(backend)`, where `backend` is `async fn(Limits) -> Arc<dyn Backend>`.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unused_macros,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test may panic, in its helpers too; each test file uses a part of them"
)]

pub mod crash;
pub mod disk;
#[macro_use]
pub mod door;
pub mod many;
pub mod memory;
#[cfg(all(feature = "jupyter", target_os = "linux"))]
#[macro_use]
pub mod native;
pub mod output;
pub mod paths;
pub mod processes;
pub mod secrets;
pub mod time;

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glassbox_sandbox::{Backend, DenialKind, Execution, Interpreter, Limits, Output, SnapshotSupport};

use crate::suite::{self, Ran};

/// The time limit of every attack.
pub const SOFT: Duration = Duration::from_secs(1);

/// The whole of an attack must be over by then: the limit, the grace, the recovery, and a busy machine.
const BOUND: Duration = Duration::from_secs(30);

/// What stands in the host's file and in its environment, and must never be seen inside.
const SECRET: &str = "glassbox-secret-7b1f";

/// What an attack may come to. The first that fits is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// An exception whose name or message holds this text; the session goes on.
    Raises(&'static str),
    /// Interrupted at the time limit; the session goes on.
    Interrupted,
    /// The session was lost and recovered.
    Killed,
    /// It ran to its end.
    Ends,
    /// It ran to its end and printed this.
    Prints(&'static str),
}

use Fate::{Ends, Interrupted, Killed, Prints, Raises};

impl Fate {
    fn fits(self, ran: &Ran) -> bool {
        match self {
            Raises(text) => ran.execution == Execution::Error && ran.error().is_some_and(|error| error.contains(text)),
            Interrupted => ran.execution == Execution::Interrupted,
            Killed => ran.execution == Execution::Restarted,
            Ends => ran.execution == Execution::Ok,
            Prints(text) => ran.execution == Execution::Ok && ran.stdout() == text,
        }
    }
}

/// The host that must come to no harm: a file with a secret, and a port that nobody may reach.
pub struct Target {
    folder: tempfile::TempDir,
    listener: TcpListener,
}

impl Target {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret.txt"), SECRET).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { folder, listener }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("secret.txt")
    }

    /// `FILE`, `FOLDER` and `PORT` for the attack.
    fn prelude(&self) -> String {
        format!(
            "FILE = {:?}\nFOLDER = {:?}\nPORT = {}\n",
            self.file(),
            self.folder.path(),
            self.listener.local_addr().unwrap().port()
        )
    }

    /// Nothing was seen or touched, and nobody came.
    fn unharmed(&self, ran: &Ran) {
        assert!(!format!("{:?}", ran.outputs).contains(SECRET), "the secret was seen: {:?}", ran.outputs);
        self.untouched();
    }

    /// Nothing was touched and nobody came.
    pub fn untouched(&self) {
        assert_eq!(std::fs::read_to_string(self.file()).unwrap(), SECRET);
        assert_eq!(std::fs::read_dir(self.folder.path()).unwrap().count(), 1, "something was put beside the secret");
        let came = self.listener.accept();
        assert!(matches!(&came, Err(error) if error.kind() == ErrorKind::WouldBlock), "somebody came: {came:?}");
    }
}

/// The limits under which attacks run.
pub fn limits() -> Limits {
    Limits { soft_time: SOFT, disk: 16 << 20, files: 200, ..Limits::default() }
}

/// Runs an attack in a session of its own, and asserts that it came to one of `fates`.
pub async fn attack(backend: &Arc<dyn Backend>, source: &str, fates: &[Fate]) -> Ran {
    let session = backend.open().await.unwrap();
    let ran = attack_in(&session, source, fates).await;
    let next = backend.open().await.unwrap();
    suite::works(&next).await;
    ran
}

/// [`attack`] in a session that is open.
pub async fn attack_in(session: &Arc<dyn Interpreter>, source: &str, fates: &[Fate]) -> Ran {
    let target = Target::new();
    ready(session).await;
    let started = Instant::now();
    let ran = suite::run(session, &format!("{}{source}", target.prelude())).await;
    let took = started.elapsed();
    let shown: String = format!("{:?}", ran.outputs).chars().take(2000).collect();
    // On a busy machine a kernel heeds its interrupt too late, and is killed; or it hits what writes a traceback, and IPython
    // replies that all is well.
    let stopped = jupyter(session) && fates.contains(&Interrupted) && ran.denied(DenialKind::Time);
    let late = stopped && (Killed.fits(&ran) || Ends.fits(&ran));
    assert!(late || fates.iter().any(|fate| fate.fits(&ran)), "{source}\ncame to {:?}: {shown}", ran.execution);
    assert!(took < BOUND, "{source}\ntook {took:?}");
    if ran.execution == Execution::Restarted {
        assert!(ran.lost(), "the loss was not told: {shown}");
    }
    if matches!(ran.execution, Execution::Interrupted) {
        assert!(ran.denied(DenialKind::Time), "the limit was not told: {shown}");
    }
    target.unharmed(&ran);
    if ran.execution == Execution::Restarted || !jupyter(session) || suite::answers(session).await {
        suite::works(session).await;
    } else {
        // A kernel runs the program in the interpreter that it is itself made of. What a program broke of it stays broken
        // until a restart; it must not take longer than it may, and a restart must mend it.
        session.restart().await.unwrap();
        suite::works(session).await;
    }
    ran
}

/// The session computes. A kernel has also shown an exception: IPython loads what writes tracebacks when the first one comes,
/// which on a busy machine takes longer than these tests' limit.
async fn ready(session: &Arc<dyn Interpreter>) {
    suite::works(session).await;
    if jupyter(session) {
        load(session, "1 / 0", Execution::Error).await;
    }
}

/// Runs what an attack needs, as often as it takes to end like this: an import may not be done within the limit at first.
pub async fn load(session: &Arc<dyn Interpreter>, source: &str, end: Execution) {
    for _ in 0..10 {
        if suite::run(session, source).await.execution == end {
            return;
        }
    }
    panic!("{source:?} does not end as it should");
}

/// Sessions of a kernel have no snapshots of memory.
fn jupyter(session: &Arc<dyn Interpreter>) -> bool {
    session.capabilities().snapshot == SnapshotSupport::Replay
}

/// These, or the end by time under a kernel: IPython takes longer than these tests' limit to write some tracebacks.
pub fn or_slow(backend: &Arc<dyn Backend>, fates: &[Fate]) -> Vec<Fate> {
    let slow: &[Fate] = if backend.name().starts_with("jupyter") { &[Interrupted, Killed] } else { &[] };
    [fates, slow].concat()
}

/// Bytes of text that a cell showed.
pub fn shown_bytes(ran: &Ran) -> usize {
    ran.outputs
        .iter()
        .map(|output| match output {
            Output::Stdout { text } | Output::Stderr { text } => text.len(),
            other => format!("{other:?}").len(),
        })
        .sum()
}

/// Makes a test of each attack.
macro_rules! attacked {
    ($backend:ident) => {
        attacked!($backend, time: [
            loop_without_end, sleep_without_end, power_tower, catastrophic_regex, loop_in_a_library, print_loop,
            loop_inside_c, loop_of_numpy, loop_that_catches_everything, loop_in_a_finalizer, interrupt_handler_removed,
            value_whose_repr_never_ends, event_loop_that_never_ends, hash_without_end, sort_of_a_hundred_million,
            loop_in_an_exit_handler, comparison_that_never_ends,
        ]);
        attacked!($backend, memory: [
            string_of_ten_gigabytes, lists_without_end, byte_arrays_without_end, recursion_without_end,
            recursion_limit_bomb, nesting_printed, nesting_freed, nested_regex, nested_source, nested_unary_source,
            number_with_a_hundred_billion_bits, format_width_bomb, decompression_bomb, billion_laughs_in_xml,
            pickle_bomb, dictionary_without_end, memory_of_one_cell_is_back_in_the_next,
        ]);
        attacked!($backend, output: [
            fifty_megabytes_printed, error_stream_flooded, displays_flooded, message_of_an_exception_flooded,
            last_value_flooded, bytes_that_are_no_text, lone_surrogates_printed, exception_whose_text_raises,
            exception_groups_nested_deep, terminal_codes_stay_text, streams_replaced, many_small_writes,
        ]);
        attacked!($backend, paths: [
            absolute_path, dotted_path, dots_in_other_scripts, link_to_a_host_file, link_up_and_out, hard_link_out,
            folder_descriptor_walked_up, open_descriptors_walked_up, working_folder_changed, proc_and_dev,
            library_overwritten, module_planted_for_the_next_session, null_byte_in_a_path, very_long_path,
            folder_swapped_for_a_link_before_the_host_reads, rename_out, archive_that_extracts_outside, importlib_tricks,
        ]);
        attacked!($backend, processes: [
            shell_command, child_process, fork, threads, exec, signals_to_others, native_code, kernel_alarm,
        ]);
        attacked!($backend, secrets: [
            environment_of_the_host, connection_to_the_host, name_looked_up, web_request, unix_socket, local_server,
            other_sessions_files, other_sessions_memory, randomness_shared_by_sessions, secret_after_a_restore,
        ]);
        attacked!($backend, disk: [
            file_of_a_gigabyte, million_files, million_folders, truncate_bomb, write_far_behind_the_end, links_without_end,
            descriptors_without_end, many_small_files_by_appending, database_that_grows, deleting_makes_room,
            names_that_are_very_long, folders_nested_deep,
        ]);
        attacked!($backend, crash: [
            program_exits, program_exits_hard, program_aborts, segfault, builtins_deleted, modules_deleted,
            main_module_emptied, descriptors_closed, guest_replaced, trace_function_that_raises, import_system_broken,
        ]);
    };
    ($backend:ident, $module:ident: [$($attack:ident),* $(,)?]) => {
        attacked!($backend, $module as $module: [$($attack),*]);
    };
    ($backend:ident, $module:ident as $name:ident: [$($attack:ident),* $(,)?]) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $attack() {
                    super::attacks::$module::$attack(&super::$backend(super::attacks::limits()).await).await;
                }
            )*
        }
    };
}
