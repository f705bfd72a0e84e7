//! The files that a program in the sandbox sees: a root of its own, with nothing in it but what is listed.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::job::{Bind, Scratch};
use super::sys;

/// Where the new root is put together. Nothing that is bound into it lies here, so nothing gets hidden.
const BASE: &str = "/proc";

/// What every program needs of the system: programs, libraries, fonts, time zones, and devices without memory.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
];
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

const READ_ONLY: u64 = 1;
const NO_SETUID: u64 = 2;
const NO_DEVICES: u64 = 4;

/// Says what was being done.
fn at<T>(what: &str, path: &Path, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{what} {}: {error}", path.display())))
}

/// Everything that is bound into the root: devices, what is named, and the system's programs if they are wanted.
pub(super) fn binds(own: &[Bind], system: bool) -> Vec<Bind> {
    let system = if system { SYSTEM } else { &[] };
    let system = system.iter().chain(DEVICES).map(PathBuf::from).filter(|path| path.symlink_metadata().is_ok());
    let system = system.map(|path| Bind { from: path.clone(), to: path, writable: false });
    let mut all: Vec<Bind> = system.chain(own.iter().cloned()).collect();
    // A folder comes before those inside it: bound later, it would hide them. The sort is stable.
    all.sort_by_key(|bind| bind.to.components().count());
    all
}

/// Puts the root together, all but `/proc`.
pub(super) fn build(binds: &[Bind], scratch: Option<Scratch>, shared_memory: u64) -> io::Result<()> {
    let none = Path::new("none");
    // From here on no mount of ours reaches the host.
    at("cutting off", Path::new("/"), sys::mount(none, Path::new("/"), c"", libc::MS_REC | libc::MS_PRIVATE, c""))?;
    let base = Path::new(BASE);
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    at("mounting", base, sys::mount(none, base, c"tmpfs", flags, c"size=1m,mode=755"))?;
    for bind in binds {
        at("binding", &bind.to, place(base, bind))?;
    }
    for name in ["proc", "dev/shm", "tmp"] {
        at("making", Path::new(name), fs::create_dir_all(base.join(name)))?;
    }
    let in_memory = |path: &str, bytes: u64, files: u64, flags| {
        let size = std::ffi::CString::new(format!("size={bytes},nr_inodes={files},mode=1777"))?;
        at("mounting", Path::new(path), sys::mount(none, &base.join(path), c"tmpfs", flags, &size))
    };
    match scratch {
        Some(Scratch { bytes, files }) => in_memory("tmp", bytes, files, flags | libc::MS_NOEXEC),
        None => in_memory("dev/shm", shared_memory, 1024, flags),
    }
}

/// Where a folder of the system leads: `/lib` may be a link to `usr/lib`, and stays one.
pub(super) fn link(bind: &Bind) -> io::Result<Option<PathBuf>> {
    let kind = fs::symlink_metadata(&bind.from)?.file_type();
    let link = kind.is_symlink() && SYSTEM.iter().any(|path| Path::new(path) == bind.from);
    link.then(|| fs::read_link(&bind.from)).transpose()
}

/// Whether this is a device.
pub(super) fn is_device(bind: &Bind) -> bool {
    DEVICES.iter().any(|path| Path::new(path) == bind.to)
}

/// Puts one folder or file into the root.
fn place(base: &Path, bind: &Bind) -> io::Result<()> {
    let to = base.join(bind.to.strip_prefix("/").unwrap_or(&bind.to));
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    if let Some(link) = link(bind)? {
        return symlink(link, &to);
    }
    if fs::metadata(&bind.from)?.is_dir() {
        fs::create_dir_all(&to)?;
    } else if fs::symlink_metadata(&to).is_err() {
        fs::File::create_new(&to)?;
    }
    sys::mount(&bind.from, &to, c"", libc::MS_BIND | libc::MS_REC, c"")?;
    // A device is written through a read-only mount as well.
    let attributes =
        NO_SETUID | if is_device(bind) { 0 } else { NO_DEVICES } | if bind.writable { 0 } else { READ_ONLY };
    sys::add_attributes(&to, attributes)
}

/// Mounts a `/proc` of the new process namespace; only a process in it can.
pub(super) fn mount_proc() -> io::Result<()> {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC | libc::MS_RDONLY;
    let to = Path::new(BASE).join("proc");
    at("mounting", Path::new("/proc"), sys::mount(Path::new("proc"), &to, c"proc", flags, c""))
}

/// Moves into the root.
pub(super) fn enter() -> io::Result<()> {
    std::env::set_current_dir(BASE)?;
    at("entering", Path::new("/"), sys::take_as_root())
}
