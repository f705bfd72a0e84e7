//! Mapping a warm image over an instance's memory. The second security-critical part with `unsafe` in it.
#![allow(unsafe_code)] // mmap takes an address; see `map`

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::mm::{MapFlags, ProtFlags, mmap};

use super::pages::PAGE;

/// Puts the first `memory.len()` bytes of `image` in the place of `memory`, privately: what is written stays out of the
/// file, and pages that are not written are shared by all who map it. Microseconds, whatever its size.
///
/// The file must not be cut short while it is mapped; images are written under another name, renamed and never changed.
pub(super) fn map(memory: &mut [u8], image: &File) -> io::Result<()> {
    let (start, length) = (memory.as_mut_ptr(), memory.len());
    if length == 0
        || !length.is_multiple_of(PAGE)
        || !start.addr().is_multiple_of(PAGE)
        || image.metadata()?.len() < length as u64
    {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the image does not fit the memory"));
    }
    // SAFETY: MAP_FIXED replaces what is mapped at these addresses, and nothing else: start and length are whole pages.
    // All of them belong to `memory`, which is borrowed mutably, so nothing else looks at them; they stay readable and
    // writable as before; and any bytes are valid bytes. Wasmtime allocates linear memory by mmap in a reservation of its
    // own, which it unmaps or maps anew as a whole, so it makes no difference to it what is mapped there; the on-demand
    // allocator, which the engine uses, keeps no memory for a later instance.
    let mapped = unsafe {
        mmap(
            start.cast(),
            length,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::FIXED,
            image.as_fd(),
            0,
        )
    }?;
    // MAP_FIXED gives the address that was asked for, or an error.
    if mapped.addr() == start.addr() { Ok(()) } else { Err(io::Error::other("the image was mapped elsewhere")) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use super::*;

    /// Memory that is mapped for itself, as Wasmtime's is.
    fn with_memory(length: usize, test: impl FnOnce(&mut [u8])) {
        let flags = MapFlags::PRIVATE;
        // SAFETY: a new anonymous mapping, which nothing else knows of, is unmapped after its only use.
        unsafe {
            let start =
                rustix::mm::mmap_anonymous(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, flags)
                    .unwrap();
            test(std::slice::from_raw_parts_mut(start.cast(), length));
            rustix::mm::munmap(start, length).unwrap();
        }
    }

    #[test]
    fn an_image_is_seen_and_what_is_written_stays_out_of_it() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 2 * PAGE]).unwrap();
        with_memory(2 * PAGE, |memory| {
            memory[0] = 1;
            map(memory, &file).unwrap();
            assert_eq!(memory[0], 7);
            memory[PAGE] = 8;
            let mut byte = [0];
            file.read_exact_at(&mut byte, PAGE as u64).unwrap();
            assert_eq!(byte, [7]);
        });
    }

    #[test]
    fn an_image_that_is_too_short_is_refused() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(PAGE as u64).unwrap();
        with_memory(2 * PAGE, |memory| {
            assert!(map(memory, &file).is_err());
            assert!(map(&mut memory[1..PAGE], &file).is_err());
        });
    }

    #[test]
    fn written_pages_are_told_from_others() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 8 * PAGE]).unwrap();
        with_memory(8 * PAGE, |memory| {
            map(memory, &file).unwrap();
            let read: u32 = memory.iter().map(|byte| u32::from(*byte)).sum();
            assert_eq!(read, 7 * 8 * 4096);
            memory[2 * PAGE] = 7;
            memory[5 * PAGE + 1] = 9;
            assert_eq!(crate::wasm::pages::written(memory).unwrap(), [2, 5]);
            assert_eq!(crate::wasm::pages::different(memory, &[7; 8 * PAGE]), [5]);
        });
    }
}
