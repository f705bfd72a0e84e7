//! Whether there is enough memory, asked before llama.cpp tries.

use super::{gguf::Header, options::EngineOptions};
use crate::ModelError;

/// Checks that a context of `context` tokens fits in the memory that is free.
///
/// Only where the KV cache lies in main memory and the machine says how much is free (`/proc/meminfo`).
pub(crate) fn check(header: &Header, options: &EngineOptions, context: u32, on_gpu: bool) -> Result<(), ModelError> {
    if on_gpu {
        return Ok(());
    }
    let Some(available) = available() else { return Ok(()) };
    let Some(kv) = kv_bytes(header, options, context) else { return Ok(()) };
    // Mapped weights are page cache, which the kernel can drop; copied or locked ones are not.
    let weights = if options.mmap && !options.mlock { 0 } else { header.file_size };
    let needed = kv.saturating_add(weights);
    if needed > available {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        return Err(ModelError::OutOfMemory {
            what: format!("a context of {context} tokens"),
            needed: mib(needed),
            available: available >> 20,
        });
    }
    Ok(())
}

/// Bytes of the KV cache; `None` where the metadata does not say.
pub(crate) fn kv_bytes(header: &Header, options: &EngineOptions, context: u32) -> Option<u64> {
    let numbers = header.kv_numbers_per_token()?;
    Some(numbers.saturating_mul(context.into()).saturating_mul(options.kv_cache.bits_times_two()) / 16)
}

/// Bytes that can be used without swapping: `MemAvailable`, in kB in `/proc/meminfo`.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}
