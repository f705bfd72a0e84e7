//! The system calls of the launcher that have no safe form: the one place of `unsafe` here.
//!
//! None of them runs in the host's own process but [`ENTRY`], which returns at once there. The rest runs in the
//! launcher, a process of one thread, where a fork may be followed by any code.

#![allow(unsafe_code)] // Each block below says why it is sound.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Runs before `main` of every program that this crate is linked into: the launcher is the same program, started
/// again. So a host needs no second program beside it, and no call at the start of its `main`.
#[used]
// SAFETY: the C library calls the functions of this section with its own calling convention before `main`, with
// arguments that `enter` does not take (the convention allows that). std's environment and process functions need no
// set-up by std's own start.
#[unsafe(link_section = ".init_array")]
pub(super) static ENTRY: extern "C" fn() = enter;

extern "C" fn enter() {
    super::launcher::enter();
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn text(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// Leaves the host's namespaces.
pub(super) fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: no memory is passed. The process has one thread.
    check(unsafe { libc::unshare(flags) }).map(drop)
}

/// Mounts. `kind` and `data` as in mount(2).
pub(super) fn mount(from: &Path, to: &Path, kind: &CStr, flags: libc::c_ulong, data: &CStr) -> io::Result<()> {
    let (from, to) = (text(from)?, text(to)?);
    // SAFETY: four strings that end in zero and live until the call returns.
    check(unsafe { libc::mount(from.as_ptr(), to.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast()) }).map(drop)
}

/// Adds attributes to a mount and all below it.
pub(super) fn add_attributes(at: &Path, attributes: u64) -> io::Result<()> {
    let path = text(at)?;
    // `struct mount_attr`: what to set, what to clear, propagation, a namespace.
    let attributes = [attributes, 0, 0, 0];
    // SAFETY: a string and a structure of the size that is said, both alive until the call returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes the working directory the root, and lets go of the old one.
pub(super) fn take_as_root() -> io::Result<()> {
    // SAFETY: strings that end in zero. With both the same, the old root lies above the new one and is detached.
    unsafe {
        if libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) < 0 {
            return Err(io::Error::last_os_error());
        }
        check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH))?;
    }
    std::env::set_current_dir("/")
}

/// Which side of a fork this is.
pub(super) enum Fork {
    Child,
    Parent(libc::pid_t),
}

/// Forks the launcher.
pub(super) fn fork() -> io::Result<Fork> {
    // SAFETY: the launcher has one thread, so no lock is held by a thread that the child lacks.
    Ok(match check(unsafe { libc::fork() })? {
        0 => Fork::Child,
        pid => Fork::Parent(pid),
    })
}

/// Runs `last` in the started process, just before the program takes its place.
pub(super) fn before_exec(command: &mut Command, last: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: the launcher has one thread, so the code between fork and exec may allocate.
    unsafe { command.pre_exec(last) };
}

/// The process gets this signal when its parent is gone.
pub(super) fn die_with_parent() -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }).map(drop)
}

/// Neither its core nor its memory can be read by processes of the same user.
pub(super) fn undumpable() -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) }).map(drop)
}

/// The process may read its own `/proc` entries again.
#[cfg(feature = "wasm")]
pub(super) fn dumpable() -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) }).map(drop)
}

/// Gives up every capability: a program is given none when it takes a process's place, but a fork keeps them.
#[cfg(feature = "wasm")]
pub(super) fn drop_capabilities() -> io::Result<()> {
    // `struct __user_cap_header_struct` of version 3 for this process, and twice effective, permitted, inheritable.
    let header = [0x2008_0522_u32, 0];
    let sets = [0_u32; 6];
    // SAFETY: two structures of the sizes that the version says, both alive until the call returns.
    if unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Makes standard input the same socket as standard output.
#[cfg(feature = "wasm")]
pub(super) fn output_is_input() -> io::Result<()> {
    // SAFETY: only numbers are passed. What was standard input belongs to nothing that the caller uses later.
    check(unsafe { libc::dup2(1, 0) }).map(drop)
}

/// Closes every descriptor from `first` on.
pub(super) fn close_from(first: libc::c_uint) -> io::Result<()> {
    // SAFETY: the callers own no descriptor from `first` on that they use later.
    check(unsafe { libc::close_range(first, libc::c_uint::MAX, 0) }).map(drop)
}

/// Marks every descriptor from `first` on to be closed when a program takes the process's place.
pub(super) fn close_from_on_exec(first: libc::c_uint) -> io::Result<()> {
    // SAFETY: no descriptor is closed now.
    check(unsafe { libc::close_range(first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int) }).map(drop)
}

/// Ignores a signal, or gives it its default meaning back.
pub(super) fn ignore(signal: libc::c_int, ignored: bool) {
    // SAFETY: both are dispositions that need no handler.
    unsafe { libc::signal(signal, if ignored { libc::SIG_IGN } else { libc::SIG_DFL }) };
}

/// Ends this process, which is the launcher or a fork of it.
#[allow(clippy::disallowed_methods, reason = "the launcher has no `main` to return from")]
pub(super) fn exit(code: i32) -> ! {
    std::process::exit(code)
}

/// Ends this process by a signal, so that its parent sees what the program died of.
pub(super) fn die_of(signal: libc::c_int) -> ! {
    ignore(signal, false);
    // SAFETY: no memory is passed.
    unsafe { libc::raise(signal) };
    exit(128 + signal)
}

/// What the first process of a namespace does: it reaps whatever loses its parent, and holds the namespace open.
pub(super) fn reap_for_ever() -> ! {
    let mut signals = std::mem::MaybeUninit::uninit();
    // SAFETY: the set is initialised by the first call, a null status and null information are allowed. The signal is
    // blocked first, so none is lost between the wait for children and the wait for the signal.
    unsafe {
        libc::sigemptyset(signals.as_mut_ptr());
        libc::sigaddset(signals.as_mut_ptr(), libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_BLOCK, signals.as_ptr(), std::ptr::null_mut());
        loop {
            while libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) > 0 {}
            libc::sigwaitinfo(signals.as_ptr(), std::ptr::null_mut());
        }
    }
}
