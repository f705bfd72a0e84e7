//! What a session may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a session may use. All limits are on by default; a backend that cannot hold one says so in its documentation
/// and, for memory, in [`Capabilities::memory_limit`](crate::Capabilities::memory_limit).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// After this much wall-clock time the cell is interrupted (`KeyboardInterrupt`). Default 30 s.
    pub soft_time: Duration,
    /// This long after the soft limit, or after an interrupt that has no effect, the cell is killed. Default 0.5 s.
    pub grace: Duration,
    /// Memory of the session in bytes. Default 512 MiB.
    pub memory: u64,
    /// Bytes kept of each of `stdout` and `stderr` of a cell; the rest is counted. Default 1 MiB.
    pub output: u64,
    /// Bytes kept of what a cell displays (pictures, tables), all forms together; the rest is counted. Default 16 MiB.
    pub display: u64,
    /// Bytes of files. Default 64 MiB.
    pub disk: u64,
    /// Number of files and folders. Default 1024.
    pub files: u32,
    /// Number of files open at the same time. Default 256.
    pub open_files: u32,
    /// Tool calls of one cell. Default 1000.
    pub host_calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            soft_time: Duration::from_secs(30),
            grace: Duration::from_millis(500),
            memory: 512 << 20,
            output: 1 << 20,
            display: 16 << 20,
            disk: 64 << 20,
            files: 1024,
            open_files: 256,
            host_calls: 1000,
        }
    }
}

impl Limits {
    /// Wall-clock time after which a cell is killed: the soft limit and the grace.
    pub fn hard_time(&self) -> Duration {
        self.soft_time.saturating_add(self.grace)
    }
}
