//! What llama-cpp-2 has no safe way for: the one place with unsafe code. Stopping llama.cpp within a batch, and handing
//! it the state of a sequence that comes from a file.
//!
//! A batch of a long prompt lasts seconds on a CPU, and one token of a large model may last half a second. Short
//! batches alone would keep neither the promise to cancel within 200 ms nor the speed of reading a prompt. llama.cpp
//! can be asked between two nodes of its graph whether to go on (`llama_context_params.abort_callback`), but
//! llama-cpp-2 gives no way to set that. So it is set in the parameters here, before the context is made.
//!
//! Only the CPU backend asks; a GPU finishes its batch.
#![allow(unsafe_code)]

use std::{ffi::c_void, ptr};

use llama_cpp_2::{
    LlamaContextLoadError,
    context::{LlamaContext, params::LlamaContextParams, session::LlamaStateSeqFlags},
    llama_backend::LlamaBackend,
    model::LlamaModel,
};
use llama_cpp_sys_2::llama_context_params;

use super::watch::Watch;

// The wrapper, whose version is pinned, has one field: llama.cpp's own parameters. A field lies within its struct, so
// where both have one size the field begins where the struct begins. Checked again at run time below.
const _: () = assert!(size_of::<LlamaContextParams>() == size_of::<llama_context_params>());
const _: () = assert!(align_of::<LlamaContextParams>() == align_of::<llama_context_params>());

/// Makes a context that gives up a batch as soon as `watch` says so; [`LlamaContext::decode`] then fails with
/// `DecodeError::Unknown(2)`. The context borrows both, so neither goes before it.
pub(crate) fn context<'a>(
    model: &'a LlamaModel,
    backend: &LlamaBackend,
    mut params: LlamaContextParams,
    watch: &'a Watch,
) -> Result<LlamaContext<'a>, LlamaContextLoadError> {
    let tokens = params.n_ctx().map_or(0, std::num::NonZero::get);
    let batch = params.n_batch();
    let raw = ptr::from_mut(&mut params).cast::<llama_context_params>();
    // SAFETY: `raw` points to `params`, which lives here and which nothing else borrows while `raw` is used. It is valid for
    // `llama_context_params` by the assertions above: same size, same alignment, and no padding is read.
    let raw = unsafe { &mut *raw };
    if raw.n_ctx == tokens && raw.n_batch == batch {
        raw.abort_callback = Some(is_cancelled);
        // llama.cpp hands it back to the callback and does nothing else with it.
        raw.abort_callback_data = ptr::from_ref(watch).cast_mut().cast::<c_void>();
    } else {
        tracing::error!("the parameters of llama-cpp-2 are not laid out as expected: cancelling waits for a batch");
    }
    model.new_context(backend, params)
}

/// What llama.cpp asks between two nodes: true to give up.
unsafe extern "C" fn is_cancelled(watch: *mut c_void) -> bool {
    // SAFETY: this is the pointer that was set in `context`, made from a shared reference that outlives the context,
    // and only the context calls. `Watch` is `Sync`, so it may be read from whichever thread computes.
    let watch = unsafe { &*watch.cast_const().cast::<Watch>() };
    watch.is_cancelled()
}

const _: () = {
    const fn shared_between_threads<T: Sync>() {}
    shared_between_threads::<Watch>();
};

/// The state of a sequence, as llama.cpp writes it.
pub(crate) fn state(context: &LlamaContext<'_>, sequence: i32) -> Result<Vec<u8>, String> {
    let flags = LlamaStateSeqFlags::empty();
    let size = context.state_seq_get_size_ext(sequence, flags);
    let mut state = vec![0; size];
    // SAFETY: llama.cpp writes as many bytes as it said the line above, where nothing changes the context between: this
    // thread alone has it.
    let written = unsafe { context.state_seq_get_data_ext(state.as_mut_ptr(), sequence, flags) };
    if written == 0 || written != size {
        return Err(format!("{written} bytes of {size} were written"));
    }
    Ok(state)
}

/// Makes `state` that of a sequence which is empty; false where llama.cpp refuses it.
pub(crate) fn set_state(context: &mut LlamaContext<'_>, sequence: i32, state: &[u8]) -> bool {
    // SAFETY: `state` was written by `state` of a context for the same model and with the same types, which the caller
    // has checked with a checksum. llama.cpp reads within the length that it is given, and compares layers, types and
    // sizes with its own before it copies.
    unsafe { context.state_seq_set_data_ext(state, sequence, LlamaStateSeqFlags::empty()) }
}
