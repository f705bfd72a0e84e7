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
    /// Makes one that holds `processes`: below the group of this process, or below the nearest above it that may have
    /// one. In version 2 a group with processes in it has none below that hold anything.
    pub(super) fn new(processes: u64) -> Result<Self, String> {
        let mut problem = "no control group of process numbers is mounted".to_owned();
        for parent in parents() {
            match Self::below(&parent, processes) {
                Ok(group) => return Ok(group),
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }

    fn below(parent: &Path, processes: u64) -> Result<Self, String> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        sweep(parent);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("glassbox-{}-{number}", std::process::id()));
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

/// The groups that may have one below them that counts processes, the nearest first.
fn parents() -> Vec<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let folders = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
        if controllers.split(',').any(|name| name == "pids") {
            let folder = Path::new("/sys/fs/cgroup/pids").join(path);
            return folder.join("cgroup.procs").exists().then(|| vec![folder]);
        }
        // Version 2: a group has the controller only if its parent hands it down.
        let hands_down = |folder: &Path| {
            let named = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
            named.split_whitespace().any(|name| name == "pids")
        };
        let root = Path::new("/sys/fs/cgroup");
        let own = root.join(path);
        let all = own.ancestors().take_while(|folder| folder.starts_with(root)).filter(|folder| hands_down(folder));
        controllers.is_empty().then(|| all.map(Path::to_owned).collect())
    };
    groups.lines().filter_map(folders).flatten().collect()
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
