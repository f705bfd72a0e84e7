//! Which pages of an instance's memory have been written.
//!
//! The memory is mapped privately from a file: the artifact's own or a warm image's. The kernel copies a page when it is
//! first written, and says so in `/proc/self/pagemap`: such a page belongs to no file any more. Reading those few bytes a
//! page takes a millisecond where comparing a hundred megabytes takes fifty.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of a page as states are saved. A divisor of WebAssembly's 64 KiB.
pub(super) const PAGE: usize = 4096;
/// Bytes of an entry of the page map.
const ENTRY: usize = 8;
/// The page belongs to a file, or to nobody.
const FILE: u64 = 1 << 61;
/// The page is on disk.
const SWAPPED: u64 = 1 << 62;
/// The page is in memory.
const PRESENT: u64 = 1 << 63;

/// The pages, by number from the start of `memory`, that may have been written since it was mapped. Some that were only
/// read may be among them.
pub(super) fn written(memory: &[u8]) -> io::Result<Vec<u32>> {
    if rustix::param::page_size() != PAGE || !memory.as_ptr().addr().is_multiple_of(PAGE) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "pages of another size"));
    }
    let map = File::open("/proc/self/pagemap")?;
    let mut place = ((memory.as_ptr().addr() / PAGE) as u64).saturating_mul(ENTRY as u64);
    let mut entries = vec![0_u8; ENTRY.saturating_mul(8192)];
    let (mut pages, mut number, count) = (Vec::new(), 0_u32, memory.len() / PAGE);
    while (number as usize) < count {
        let wanted = count.saturating_sub(number as usize).saturating_mul(ENTRY).min(entries.len());
        let Some(part) = entries.get_mut(..wanted) else { break };
        map.read_exact_at(part, place)?;
        place = place.saturating_add(wanted as u64);
        for entry in part.chunks_exact(ENTRY) {
            let entry = entry.first_chunk().map_or(0, |entry| u64::from_ne_bytes(*entry));
            if entry & (PRESENT | SWAPPED) != 0 && entry & FILE == 0 {
                pages.push(number);
            }
            number = number.saturating_add(1);
        }
    }
    Ok(pages)
}

/// The same by comparing with memory that has not been written, for machines without a page map.
pub(super) fn different(memory: &[u8], base: &[u8]) -> Vec<u32> {
    let zero = [0_u8; PAGE];
    let bases = base.chunks_exact(PAGE).chain(std::iter::repeat(zero.as_slice()));
    let pairs = memory.chunks_exact(PAGE).zip(bases).enumerate();
    let changed = pairs.filter(|(_, (page, base))| page != base);
    changed.filter_map(|(number, _)| u32::try_from(number).ok()).collect()
}

/// The page of this number.
pub(super) fn page(memory: &[u8], number: u32) -> Option<&[u8]> {
    let start = (number as usize).checked_mul(PAGE)?;
    memory.get(start..start.checked_add(PAGE)?)
}

/// The page of this number, to be written.
pub(super) fn page_mut(memory: &mut [u8], number: u32) -> Option<&mut [u8]> {
    let start = (number as usize).checked_mul(PAGE)?;
    memory.get_mut(start..start.checked_add(PAGE)?)
}
