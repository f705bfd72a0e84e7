//! The system calls that a program in the sandbox may not make (seccomp).
//!
//! A deny list: what interpreters need changes with every release, what breaks walls is known. It holds what container
//! runtimes deny, new namespaces, every socket family but `AF_UNIX`, and typing into a terminal.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// Denied whatever their arguments.
const DENIED: &[libc::c_long] = &[
    // other processes
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // mounts, roots and namespaces
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // wide doors into the kernel
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_memfd_secret,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    // the machine
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_mbind,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_set_mempolicy,
];

/// Denied on this architecture only, because others do not have them.
#[cfg(target_arch = "x86_64")]
const ALSO_DENIED: &[libc::c_long] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];
#[cfg(not(target_arch = "x86_64"))]
const ALSO_DENIED: &[libc::c_long] = &[];

/// The flags of clone(2) that make namespaces.
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Calls of the x32 convention have other numbers, and would pass by the list.
#[cfg(target_arch = "x86_64")]
fn no_x32() -> BpfProgram {
    let step = |code, jt, jf, k| seccompiler::sock_filter { code, jt, jf, k };
    vec![
        step((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0, 0),
        step((libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16, 0, 1, 0x4000_0000),
        step((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
        step((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

/// The programs that the kernel runs at every system call, ready to be applied one after the other.
pub(super) fn filters() -> Result<Vec<BpfProgram>, seccompiler::BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let mut denied: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in DENIED.iter().chain(ALSO_DENIED) {
        denied.insert(*call, Vec::new());
    }
    let argument = |index, operation, value: libc::c_int| {
        let value = u64::from(value.cast_unsigned());
        SeccompRule::new(vec![SeccompCondition::new(index, SeccompCmpArgLen::Dword, operation, value)?])
    };
    let mut clones = Vec::new();
    for flag in NAMESPACES {
        clones.push(argument(0, SeccompCmpOp::MaskedEq(u64::from(flag.cast_unsigned())), *flag)?);
    }
    denied.insert(libc::SYS_clone, clones);
    let typing = [libc::TIOCSTI, libc::TIOCLINUX].map(|request| {
        // The kernel takes the request as 32 bits.
        SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, request)
            .and_then(|is| SeccompRule::new(vec![is]))
    });
    denied.insert(libc::SYS_ioctl, typing.into_iter().collect::<Result<_, _>>()?);
    let denial = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let first = SeccompFilter::new(denied, SeccompAction::Allow, denial, arch)?;
    // clone3 takes its flags in memory, which a filter cannot read. Where there is none, C libraries take clone.
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let absent = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let second = SeccompFilter::new(clone3, SeccompAction::Allow, absent, arch)?;
    // "Not supported" and not "not permitted": libzmq, which looks for the network's interfaces, takes only the former.
    let other = argument(0, SeccompCmpOp::Ne, libc::AF_UNIX)?;
    let sockets = BTreeMap::from([libc::SYS_socket, libc::SYS_socketpair].map(|call| (call, vec![other.clone()])));
    let unsupported = SeccompAction::Errno(libc::EOPNOTSUPP.cast_unsigned());
    let third = SeccompFilter::new(sockets, SeccompAction::Allow, unsupported, arch)?;
    Ok(vec![
        #[cfg(target_arch = "x86_64")]
        no_x32(),
        first.try_into()?,
        second.try_into()?,
        third.try_into()?,
    ])
}
