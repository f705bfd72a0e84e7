//! What an instance may call: the functions of WASI's preview1, some of them behind a check of our own, and the door.
//! Nothing else: no network, no processes, no threads.

use wasmtime::{AsContextMut, Caller, Engine, Linker};
use wasmtime_wasi::p1::{self, wasi_snapshot_preview1 as preview1};

use crate::capture::Stream;
use crate::door::MAX_REQUEST;

use super::errno;
use super::folder::Usage;
use super::poll::{poll_oneoff, store};
use super::quota::{may_open, take};
use super::state::{Host, look, memory_and_host, memory_and_wasi};

const WASI: &str = "wasi_snapshot_preview1";
/// Bytes taken of one write to a stream; the program is told so and goes on.
const MAX_WRITE: usize = 1 << 20;
/// Bytes of randomness made at a time, and between two looks at the time.
const RANDOM_SLICE: u32 = 64 << 10;

/// What `path_open` is asked to do: `O_CREAT` of its flags.
const OFLAGS_CREATE: i32 = 1;

const ONE_FILE: Usage = Usage { bytes: 0, files: 1 };

/// A linker with everything that CPython imports.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    p1::add_to_linker_async(&mut linker, |host: &mut Host| &mut host.wasi)?;
    linker.func_wrap_async("host", "call", |caller: Caller<'_, Host>, call| Box::new(knock(caller, call)))?;
    // What follows stands in the place of functions of the same name above.
    linker.allow_shadowing(true);
    linker
        .func_wrap_async(WASI, "poll_oneoff", |caller: Caller<'_, Host>, call| Box::new(poll_oneoff(caller, call)))?;
    linker.func_wrap_async(WASI, "random_get", |caller: Caller<'_, Host>, call| Box::new(random_get(caller, call)))?;
    add_descriptors(&mut linker)?;
    add_paths(&mut linker)?;
    Ok(linker)
}

/// Functions on open descriptors.
fn add_descriptors(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap_async(WASI, "fd_write", |caller: Caller<'_, Host>, call| Box::new(fd_write(caller, call)))?;
    linker.func_wrap_async(
        WASI,
        "fd_pwrite",
        |mut caller: Caller<'_, Host>, (fd, vectors, count, at, written): (i32, i32, i32, i64, i32)| {
            Box::new(async move {
                if let Some(error) = take_write(&mut caller, vectors, count).await? {
                    return Ok(error);
                }
                let (mut memory, wasi) = memory_and_wasi(&mut caller)?;
                preview1::fd_pwrite(wasi, &mut memory, fd, vectors, count, at, written).await
            })
        },
    )?;
    linker.func_wrap_async(WASI, "fd_filestat_set_size", |mut caller: Caller<'_, Host>, (fd, size): (i32, i64)| {
        Box::new(async move {
            // The whole new length counts, as if the file had been empty: looking anew will tell.
            let more = Usage { bytes: u64::try_from(size).unwrap_or(u64::MAX), files: 0 };
            if let Some(error) = take(&mut caller, more).await? {
                return Ok(error);
            }
            let (mut memory, wasi) = memory_and_wasi(&mut caller)?;
            preview1::fd_filestat_set_size(wasi, &mut memory, fd, size).await
        })
    })?;
    linker.func_wrap_async(WASI, "fd_close", |mut caller: Caller<'_, Host>, (fd,): (i32,)| {
        Box::new(async move {
            if is_standard(fd) {
                // The streams stay: what would get their numbers next would be taken for them.
                return Ok(errno::SUCCESS);
            }
            let (mut memory, wasi) = memory_and_wasi(&mut caller)?;
            let answer = preview1::fd_close(wasi, &mut memory, fd).await?;
            if answer == errno::SUCCESS {
                caller.data_mut().quota.closed(fd);
            }
            Ok(answer)
        })
    })?;
    linker.func_wrap_async(WASI, "fd_renumber", |mut caller: Caller<'_, Host>, (from, to): (i32, i32)| {
        Box::new(async move {
            if is_standard(from) || is_standard(to) {
                return Ok(errno::NOTSUP);
            }
            let (mut memory, wasi) = memory_and_wasi(&mut caller)?;
            let answer = preview1::fd_renumber(wasi, &mut memory, from, to).await?;
            if answer == errno::SUCCESS {
                caller.data_mut().quota.renumbered(from, to);
            }
            Ok(answer)
        })
    })?;
    Ok(())
}

/// Functions that make something in a folder.
fn add_paths(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    type PathOpen = (i32, i32, i32, i32, i32, i64, i64, i32, i32);
    linker.func_wrap_async(WASI, "path_open", |mut caller: Caller<'_, Host>, call: PathOpen| {
        Box::new(async move {
            let (folder, lookup, path, length, flags, rights, inherited, mode, opened) = call;
            if let Some(error) = may_open(&mut caller) {
                return Ok(error);
            }
            if flags & OFLAGS_CREATE != 0
                && let Some(error) = take(&mut caller, ONE_FILE).await?
            {
                return Ok(error);
            }
            let (mut memory, wasi) = memory_and_wasi(&mut caller)?;
            let answer = preview1::path_open(
                wasi,
                &mut memory,
                folder,
                lookup,
                path,
                length,
                flags,
                rights,
                inherited,
                mode,
                opened,
            )
            .await?;
            if answer == errno::SUCCESS {
                let (memory, host) = memory_and_host(&mut caller)?;
                if let Some(descriptor) = word(memory, opened) {
                    host.quota.opened(descriptor.cast_signed());
                }
            }
            Ok(answer)
        })
    })?;
    linker.func_wrap_async(
        WASI,
        "path_create_directory",
        |mut caller: Caller<'_, Host>, (folder, path, length): (i32, i32, i32)| {
            Box::new(async move {
                if let Some(error) = take(&mut caller, ONE_FILE).await? {
                    return Ok(error);
                }
                let (mut memory, wasi) = memory_and_wasi(&mut caller)?;
                preview1::path_create_directory(wasi, &mut memory, folder, path, length).await
            })
        },
    )?;
    linker.func_wrap_async(
        WASI,
        "path_symlink",
        |mut caller: Caller<'_, Host>, (to, to_length, folder, path, length): (i32, i32, i32, i32, i32)| {
            Box::new(async move {
                if let Some(error) = take(&mut caller, ONE_FILE).await? {
                    return Ok(error);
                }
                let (mut memory, wasi) = memory_and_wasi(&mut caller)?;
                preview1::path_symlink(wasi, &mut memory, to, to_length, folder, path, length).await
            })
        },
    )?;
    type PathLink = (i32, i32, i32, i32, i32, i32, i32);
    linker.func_wrap_async(WASI, "path_link", |mut caller: Caller<'_, Host>, call: PathLink| {
        Box::new(async move {
            let (from, lookup, old, old_length, to, new, new_length) = call;
            if let Some(error) = take(&mut caller, ONE_FILE).await? {
                return Ok(error);
            }
            let (mut memory, wasi) = memory_and_wasi(&mut caller)?;
            preview1::path_link(wasi, &mut memory, from, lookup, old, old_length, to, new, new_length).await
        })
    })?;
    Ok(())
}

/// `host.call`: a request to the door. 0, or -2 where there is no room for the answer.
async fn knock(
    mut caller: Caller<'_, Host>,
    (request, length, answer_at, length_at): (u32, u32, u32, u32),
) -> wasmtime::Result<i32> {
    const FAULT: i32 = -2;
    let (memory, host) = memory_and_host(&mut caller)?;
    let (start, length) = (request as usize, length as usize);
    // One byte past the limit is enough for the door to refuse it.
    let end = start.saturating_add(length.min(MAX_REQUEST.saturating_add(1)));
    let Some(request) = memory.get(start..end).map(<[u8]>::to_vec) else { return Ok(FAULT) };
    let answer = host.door.call(&request).await;
    drop(request);
    let waited = host.door.waited();
    if let Some(watch) = &mut host.watch {
        watch.set_waited(waited);
    }
    look(caller.as_context_mut())?;
    let Some(alloc) = caller.data().alloc.clone() else { return Ok(FAULT) };
    let Ok(answer_length) = u32::try_from(answer.len()) else { return Ok(FAULT) };
    let place = alloc.call_async(&mut caller, answer_length).await?;
    let (memory, _) = memory_and_host(&mut caller)?;
    let stored = place != 0
        && store(memory, place, &answer)
        && store(memory, answer_at, &place.to_le_bytes())
        && store(memory, length_at, &answer_length.to_le_bytes());
    Ok(if stored { 0 } else { FAULT })
}

/// Writes to a stream, which is an output, or to a file. Only the first vector that holds something, as Wasmtime does:
/// the program goes on with the rest.
async fn fd_write(
    mut caller: Caller<'_, Host>,
    (fd, vectors, count, written): (i32, i32, i32, i32),
) -> wasmtime::Result<i32> {
    let stream = match fd {
        0 => return Ok(errno::BADF),
        1 => Stream::Stdout,
        2 => Stream::Stderr,
        _ => {
            if let Some(error) = take_write(&mut caller, vectors, count).await? {
                return Ok(error);
            }
            let (mut memory, wasi) = memory_and_wasi(&mut caller)?;
            return preview1::fd_write(wasi, &mut memory, fd, vectors, count, written).await;
        }
    };
    let (memory, host) = memory_and_host(&mut caller)?;
    let Some((start, length)) = first_vector(memory, vectors, count) else { return Ok(errno::FAULT) };
    let length = length.min(MAX_WRITE);
    let Some(bytes) = memory.get(start..start.saturating_add(length)) else { return Ok(errno::FAULT) };
    if let Some(outlet) = &host.outlet {
        outlet.bytes(stream, bytes);
    }
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let stored = store(memory, written.cast_unsigned(), &length.to_le_bytes());
    Ok(if stored { errno::SUCCESS } else { errno::FAULT })
}

/// Takes what a write is going to write from what is left on disk; else the error.
async fn take_write(caller: &mut Caller<'_, Host>, vectors: i32, count: i32) -> wasmtime::Result<Option<i32>> {
    let (memory, _) = memory_and_host(caller)?;
    let Some((_, length)) = first_vector(memory, vectors, count) else { return Ok(Some(errno::FAULT)) };
    take(caller, Usage { bytes: length as u64, files: 0 }).await
}

/// Start and length of the first vector that holds something; of none, where none does.
fn first_vector(memory: &[u8], vectors: i32, count: i32) -> Option<(usize, usize)> {
    /// As many as POSIX promises.
    const MAX_VECTORS: u32 = 1024;
    let first = vectors.cast_unsigned();
    for number in 0..count.cast_unsigned().min(MAX_VECTORS) {
        let place = first.checked_add(number.checked_mul(8)?)?;
        let (start, length) = (word(memory, place.cast_signed())?, word(memory, place.checked_add(4)?.cast_signed())?);
        if length > 0 {
            return Some((start as usize, length as usize));
        }
    }
    Some((0, 0))
}

/// Fills memory with randomness, a slice at a time: a program may ask for half a gigabyte.
async fn random_get(mut caller: Caller<'_, Host>, (start, length): (u32, u32)) -> wasmtime::Result<i32> {
    let Some(end) = start.checked_add(length) else { return Ok(errno::FAULT) };
    let mut place = start;
    while place < end {
        let slice = RANDOM_SLICE.min(end.saturating_sub(place));
        let (mut memory, wasi) = memory_and_wasi(&mut caller)?;
        let answer = preview1::random_get(wasi, &mut memory, place.cast_signed(), slice.cast_signed())?;
        if answer != errno::SUCCESS {
            return Ok(answer);
        }
        place = place.saturating_add(slice);
        if look(caller.as_context_mut())? {
            return Ok(errno::INTR);
        }
        if place < end {
            tokio::task::yield_now().await;
        }
    }
    Ok(errno::SUCCESS)
}

fn is_standard(fd: i32) -> bool {
    (0..=2).contains(&fd)
}

fn word(memory: &[u8], place: i32) -> Option<u32> {
    let bytes = memory.get(place.cast_unsigned() as usize..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}
