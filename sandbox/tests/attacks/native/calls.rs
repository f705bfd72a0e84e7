//! System calls that break walls, by their numbers on this machine.

use std::sync::Arc;

use glassbox_sandbox::Backend;

use super::super::{Fate::*, attack};

type Under<'a> = &'a Arc<dyn Backend>;

/// What a call is for, its number, and its arguments in Python.
type Call = (&'static str, libc::c_long, &'static str);

/// Makes each of these calls, and prints those that were not refused.
async fn refused(backend: Under<'_>, calls: &[Call]) {
    let calls: String =
        calls.iter().map(|(name, number, arguments)| format!("('{name}', {number}, {arguments}), ")).collect();
    let source = format!(
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nzero = ctypes.create_string_buffer(256)\nallowed = []\n\
         def text(s): return ctypes.c_char_p(s.encode())\n\
         for name, number, *arguments in [{calls}]:\n\
         \x20   made = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])\n\
         \x20   if made == 0 and name.startswith('fork'): os._exit(0)\n\
         \x20   if made >= 0 or ctypes.get_errno() not in (1, 38): allowed.append((name, made, ctypes.get_errno()))\n\
         print(allowed)"
    );
    attack(backend, &source, &[Prints("[]\n")]).await;
}

pub async fn other_processes_debugged(backend: Under<'_>) {
    let calls: &[Call] = &[
        ("ptrace", libc::SYS_ptrace, "16, 1, 0, 0"),
        ("ptrace self", libc::SYS_ptrace, "0, 0, 0, 0"),
        ("read memory", libc::SYS_process_vm_readv, "1, zero, 1, zero, 1, 0"),
        ("write memory", libc::SYS_process_vm_writev, "1, zero, 1, zero, 1, 0"),
        ("kcmp", libc::SYS_kcmp, "1, 1, 0, 0, 0"),
        ("take descriptor", libc::SYS_pidfd_getfd, "0, 0, 0"),
    ];
    refused(backend, calls).await;
}

pub async fn mounts_and_roots(backend: Under<'_>) {
    let calls: &[Call] = &[
        ("mount", libc::SYS_mount, "text('none'), text('/tmp'), text('tmpfs'), 0, 0"),
        ("remount", libc::SYS_mount, "text('none'), text('/usr'), 0, 4128, 0"),
        ("umount", libc::SYS_umount2, "text('/proc'), 2"),
        ("pivot_root", libc::SYS_pivot_root, "text('.'), text('.')"),
        ("chroot", libc::SYS_chroot, "text('/tmp')"),
        ("open_tree", libc::SYS_open_tree, "-100, text('/'), 1"),
        ("fsopen", libc::SYS_fsopen, "text('tmpfs'), 0"),
        ("move_mount", libc::SYS_move_mount, "0, text(''), 0, text(''), 0"),
        ("handle", libc::SYS_open_by_handle_at, "-100, zero, 0"),
        ("mount_setattr", libc::SYS_mount_setattr, "-100, text('/usr'), 0, zero, 32"),
    ];
    refused(backend, calls).await;
}

pub async fn new_namespaces(backend: Under<'_>) {
    let calls: &[Call] = &[
        ("unshare users", libc::SYS_unshare, "0x10000000"),
        ("unshare mounts", libc::SYS_unshare, "0x20000"),
        ("unshare network", libc::SYS_unshare, "0x40000000"),
        ("setns", libc::SYS_setns, "0, 0"),
        ("fork users", libc::SYS_clone, "0x10000011, 0, 0, 0, 0"),
        ("fork mounts", libc::SYS_clone, "0x20011, 0, 0, 0, 0"),
        ("fork by clone3", libc::SYS_clone3, "zero, 88"),
    ];
    refused(backend, calls).await;
}

pub async fn wide_doors_into_the_kernel(backend: Under<'_>) {
    let calls: &[Call] = &[
        ("bpf", libc::SYS_bpf, "0, zero, 128"),
        ("perf", libc::SYS_perf_event_open, "zero, 0, -1, -1, 0"),
        ("userfaultfd", libc::SYS_userfaultfd, "1"),
        ("io_uring", libc::SYS_io_uring_setup, "8, zero"),
        ("io_uring enter", libc::SYS_io_uring_enter, "0, 0, 0, 0, 0, 0"),
        ("keyctl", libc::SYS_keyctl, "0, -3, 0"),
        ("add_key", libc::SYS_add_key, "text('user'), text('a'), zero, 1, -3"),
        ("request_key", libc::SYS_request_key, "text('user'), text('a'), 0, 0"),
        ("fanotify", libc::SYS_fanotify_init, "0, 0"),
        ("memfd_secret", libc::SYS_memfd_secret, "0"),
    ];
    refused(backend, calls).await;
}

pub async fn the_machine_itself(backend: Under<'_>) {
    let calls: &[Call] = &[
        ("load module", libc::SYS_init_module, "zero, 1, text('')"),
        ("kexec", libc::SYS_kexec_load, "0, 0, 0, 0"),
        ("reboot", libc::SYS_reboot, "0, 0, 0, 0"),
        ("swapoff", libc::SYS_swapoff, "text('/x')"),
        ("settime", libc::SYS_clock_settime, "0, zero"),
        ("hostname", libc::SYS_sethostname, "text('x'), 1"),
        ("log", libc::SYS_syslog, "10, 0, 0"),
        ("accounts", libc::SYS_acct, "0"),
    ];
    refused(backend, calls).await;
}

/// Calls that only x86-64 has: its ports, and the numbers of its x32 convention, which pass by a list of the others.
#[cfg(target_arch = "x86_64")]
pub async fn calls_of_another_convention(backend: Under<'_>) {
    const X32: libc::c_long = 0x4000_0000;
    let calls: &[Call] = &[
        ("ports", libc::SYS_iopl, "3"),
        ("x32 mount", X32 + libc::SYS_mount, "0, 0, 0, 0, 0"),
        ("x32 ptrace", X32 + 521, "0, 0, 0, 0"),
    ];
    refused(backend, calls).await;
}
