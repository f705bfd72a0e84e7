//! A control group that holds the number of processes, where the host lets us make one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A control group, removed when dropped.
#[derive(Debug)]
pub(super) struct Group {
    folder: PathBuf,
}

impl Group {
    /// Makes one below the group of this process that holds `processes`.
    pub(super) fn new(processes: u64) -> Result<Self, String> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let own = own().ok_or("no control group of process numbers is mounted")?;
        sweep(&own);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = own.join(format!("glassbox-{}-{number}", std::process::id()));
        let made = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir(&folder).map_err(made)?;
        let group = Self { folder: folder.clone() };
        fs::write(folder.join("pids.max"), processes.to_string()).map_err(made)?;
        Ok(group)
    }

    /// The file that takes processes into the group.
    pub(super) fn entrance(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Fails while a killed process is not yet gone; then a later start sweeps it up.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// The folder of this process's group, of version 1 or 2.
fn own() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let folder = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
        let root = match controllers {
            "" => Path::new("/sys/fs/cgroup"),
            named if named.split(',').any(|name| name == "pids") => Path::new("/sys/fs/cgroup/pids"),
            _ => return None,
        };
        let folder = root.join(path);
        // A group of version 2 has the controller only if its parent hands it down.
        let usable = folder.join("cgroup.procs").exists()
            && (!controllers.is_empty()
                || fs::read_to_string(folder.join("cgroup.subtree_control"))
                    .is_ok_and(|named| named.split_whitespace().any(|name| name == "pids")));
        usable.then_some(folder)
    };
    groups.lines().find_map(folder)
}

/// Removes groups that were left by hosts that were killed. A group with processes in it stays.
fn sweep(own: &Path) {
    for entry in fs::read_dir(own).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix("glassbox-")?.split('-').next());
        if pid.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}
