//! What a component may call: WASI's preview2, files behind the quota, and the door.

use std::sync::Arc;

use wasmtime::component::{Linker, Resource, ResourceType, WasmList};
use wasmtime::{Engine, StoreContextMut};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::p2;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, HostDescriptor, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::pipe::ClosedOutputStream;
use wasmtime_wasi::p2::{DynOutputStream, FsResult};

use crate::door::MAX_REQUEST;

use super::super::folder::Usage;
use super::host::Host;
use super::streams::Metered;

/// The interface as Wasmtime 48 has it; older ones of the same major version are the same.
const FILES: &str = "wasi:filesystem/types@0.2.12";
const ONE_FILE: Usage = Usage { bytes: 0, files: 1 };

/// A linker with everything that the component imports.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    p2::add_to_linker_async(&mut linker)?;
    linker.root().func_wrap_async("call", |store, (request,): (WasmList<u8>,)| Box::new(knock(store, request)))?;
    // What follows stands in the place of functions of the same name above.
    linker.allow_shadowing(true);
    add_files(&mut linker)?;
    add_writes(&mut linker)?;
    Ok(linker)
}

/// The door.
async fn knock(mut store: StoreContextMut<'_, Host>, request: WasmList<u8>) -> wasmtime::Result<(Vec<u8>,)> {
    // Looked at where it lies: a program may hand in all of its memory.
    let bytes = request.as_le_slice(&store);
    let bytes = bytes.get(..bytes.len().min(MAX_REQUEST.saturating_add(1))).unwrap_or_default().to_vec();
    let host = store.data_mut();
    host.waiting.begin();
    let answer = host.door.call(&bytes).await;
    host.waiting.end(host.door.waited());
    Ok((answer,))
}

/// A result as the component gets it; an error that is not the program's ends the instance.
fn answer<T>(result: FsResult<T>) -> wasmtime::Result<(Result<T, ErrorCode>,)> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

/// Functions that make, open and remove files.
fn add_files(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    type Open = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);
    let mut files = linker.instance(FILES)?;
    files.func_wrap_async("[method]descriptor.open-at", |mut store: StoreContextMut<'_, Host>, call: Open| {
        Box::new(async move {
            let (folder, lookup, path, how, flags) = call;
            let host = store.data_mut();
            if !host.quota.may_open() {
                // Preview2 has no code for too many open files.
                return Ok((Err(ErrorCode::InsufficientMemory),));
            }
            if how.contains(OpenFlags::CREATE) && !host.quota.take(ONE_FILE) {
                return Ok((Err(ErrorCode::InsufficientSpace),));
            }
            let opened = host.filesystem().open_at(folder, lookup, path, how, flags).await;
            if let Ok(descriptor) = &opened {
                host.quota.opened(descriptor.rep());
            }
            answer(opened)
        })
    })?;
    files.resource("descriptor", ResourceType::host::<Descriptor>(), |mut store, rep| {
        let host = store.data_mut();
        host.quota.closed(rep);
        HostDescriptor::drop(&mut host.filesystem(), Resource::new_own(rep))
    })?;
    files.func_wrap_async(
        "[method]descriptor.create-directory-at",
        |mut store: StoreContextMut<'_, Host>, (folder, path): (Resource<Descriptor>, String)| {
            Box::new(async move {
                let host = store.data_mut();
                if !host.quota.take(ONE_FILE) {
                    return Ok((Err(ErrorCode::InsufficientSpace),));
                }
                answer(host.filesystem().create_directory_at(folder, path).await)
            })
        },
    )?;
    files.func_wrap_async(
        "[method]descriptor.symlink-at",
        |mut store: StoreContextMut<'_, Host>, (folder, from, to): (Resource<Descriptor>, String, String)| {
            Box::new(async move {
                let host = store.data_mut();
                if !host.quota.take(Usage { bytes: from.len() as u64, files: 1 }) {
                    return Ok((Err(ErrorCode::InsufficientSpace),));
                }
                answer(host.filesystem().symlink_at(folder, from, to).await)
            })
        },
    )?;
    type Link = (Resource<Descriptor>, PathFlags, String, Resource<Descriptor>, String);
    files.func_wrap_async("[method]descriptor.link-at", |mut store: StoreContextMut<'_, Host>, call: Link| {
        Box::new(async move {
            let (folder, lookup, from, other, to) = call;
            let host = store.data_mut();
            if !host.quota.take(ONE_FILE) {
                return Ok((Err(ErrorCode::InsufficientSpace),));
            }
            answer(host.filesystem().link_at(folder, lookup, from, other, to).await)
        })
    })?;
    files.func_wrap_async(
        "[method]descriptor.unlink-file-at",
        |mut store: StoreContextMut<'_, Host>, (folder, path): (Resource<Descriptor>, String)| {
            Box::new(async move {
                let host = store.data_mut();
                host.quota.unlinked();
                answer(host.filesystem().unlink_file_at(folder, path).await)
            })
        },
    )?;
    type Rename = (Resource<Descriptor>, String, Resource<Descriptor>, String);
    files.func_wrap_async("[method]descriptor.rename-at", |mut store: StoreContextMut<'_, Host>, call: Rename| {
        Box::new(async move {
            let (folder, from, other, to) = call;
            let host = store.data_mut();
            host.quota.unlinked();
            answer(host.filesystem().rename_at(folder, from, other, to).await)
        })
    })?;
    Ok(())
}

/// Functions that make files longer.
fn add_writes(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    let mut files = linker.instance(FILES)?;
    files.func_wrap_async(
        "[method]descriptor.set-size",
        |mut store: StoreContextMut<'_, Host>, (file, size): (Resource<Descriptor>, u64)| {
            Box::new(async move {
                let host = store.data_mut();
                // The whole new length counts, as if the file had been empty: looking anew will tell.
                if !host.quota.take(Usage { bytes: size, files: 0 }) {
                    return Ok((Err(ErrorCode::InsufficientSpace),));
                }
                answer(host.filesystem().set_size(file, size).await)
            })
        },
    )?;
    files.func_wrap_async(
        "[method]descriptor.write",
        |mut store: StoreContextMut<'_, Host>, (file, data, at): (Resource<Descriptor>, Vec<u8>, u64)| {
            Box::new(async move {
                let host = store.data_mut();
                if !host.quota.take(Usage { bytes: data.len() as u64, files: 0 }) {
                    return Ok((Err(ErrorCode::InsufficientSpace),));
                }
                answer(host.filesystem().write(file, data, at).await)
            })
        },
    )?;
    files.func_wrap(
        "[method]descriptor.write-via-stream",
        |mut store: StoreContextMut<'_, Host>, (file, at): (Resource<Descriptor>, u64)| {
            let host = store.data_mut();
            let stream = host.filesystem().write_via_stream(file, at);
            answer(stream.and_then(|stream| metered(host, stream)))
        },
    )?;
    files.func_wrap(
        "[method]descriptor.append-via-stream",
        |mut store: StoreContextMut<'_, Host>, (file,): (Resource<Descriptor>,)| {
            let host = store.data_mut();
            let stream = host.filesystem().append_via_stream(file);
            answer(stream.and_then(|stream| metered(host, stream)))
        },
    )?;
    Ok(())
}

/// Puts the quota before a stream.
fn metered(host: &mut Host, stream: Resource<DynOutputStream>) -> FsResult<Resource<DynOutputStream>> {
    let quota = Arc::clone(&host.quota);
    let slot = host.ctx().table.get_mut(&stream)?;
    let inner = std::mem::replace(slot, Box::new(ClosedOutputStream) as DynOutputStream);
    *slot = Box::new(Metered { inner, quota });
    Ok(stream)
}
