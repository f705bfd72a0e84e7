//! Error numbers of the preview1 ABI.

pub(super) const SUCCESS: i32 = 0;
/// No such descriptor.
pub(super) const BADF: i32 = 8;
/// No such place in memory.
pub(super) const FAULT: i32 = 21;
/// Interrupted.
pub(super) const INTR: i32 = 27;
/// Not a valid argument.
pub(super) const INVAL: i32 = 28;
/// Too many open files.
pub(super) const MFILE: i32 = 33;
/// No space left.
pub(super) const NOSPC: i32 = 51;
/// Not supported.
pub(super) const NOTSUP: i32 = 58;
