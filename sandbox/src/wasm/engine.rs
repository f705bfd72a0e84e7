//! Wasmtime's engine as every session uses it, and the clock that interrupts its programs.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::{Collector, Config, Engine, OptLevel};

use crate::InterpreterError;
use crate::hex::hex;

use super::artifact::Artifact;
use super::stacks::Stacks;

/// How often a running program is looked at. Cancelling takes at most this long, plus one host call.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// The engine's settings. Whatever changes here changes the key of the compiled code.
fn config() -> Config {
    let mut config = Config::new();
    // CPython is compiled with WebAssembly exceptions (setjmp); they need the reference-counting-free collector alone.
    config.wasm_exceptions(true);
    config.collector(Collector::Null);
    config.epoch_interruption(true);
    // Python's recursion limit is made for native stacks of 8 MiB; the rest is for host functions.
    config.max_wasm_stack(8 << 20);
    config.async_stack_size(12 << 20);
    config.memory_init_cow(true);
    config.cranelift_opt_level(OptLevel::Speed);
    // No traceback into CPython's own machine code is ever shown, and the tables are a third of the file.
    config.generate_address_map(false);
    config.wasm_backtrace_max_frames(None);
    // Nothing but CPython's needs: less to be wrong.
    config.wasm_memory64(false);
    config.wasm_multi_memory(false);
    config
}

/// An engine without a clock, to compile with.
pub(super) fn engine() -> Result<Engine, InterpreterError> {
    Engine::new(&config()).map_err(InterpreterError::backend)
}

/// An engine whose epoch moves on every [`TICK`], for as long as it lives.
pub(super) fn ticking_engine() -> Result<Engine, InterpreterError> {
    let mut config = config();
    config.with_host_stack(Arc::new(Stacks::default()));
    let engine = Engine::new(&config).map_err(InterpreterError::backend)?;
    let weak = engine.weak();
    thread::Builder::new()
        .name("glassbox-tick".to_owned())
        .spawn(move || {
            loop {
                // Not `sleep`, which tests and library code do without; nobody unparks this thread.
                thread::park_timeout(TICK);
                let Some(engine) = weak.upgrade() else { return };
                engine.increment_epoch();
            }
        })
        .map_err(InterpreterError::backend)?;
    Ok(engine)
}

/// What compiled code belongs to: the artifact, Wasmtime's version and settings, and this machine's CPU, in hexadecimal.
pub(super) fn key(engine: &Engine, artifact: &Artifact) -> String {
    key_of(engine, artifact.sha256)
}

/// As [`key`], for an artifact of the checksum `sha256`.
pub(super) fn key_of(engine: &Engine, sha256: &str) -> String {
    let mut hasher = Fingerprint(Sha256::new());
    hasher.write(sha256.as_bytes());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let mut key = hex(&hasher.0.finalize());
    // As unique as need be among the few that one cache ever holds, and short enough for a path.
    key.truncate(32);
    key
}

/// A hasher that gives the same value in every process, unlike the standard library's.
struct Fingerprint(Sha256);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0 // The key is the whole digest.
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::artifact::PYTHON;

    #[test]
    fn the_key_is_the_same_every_time_and_another_for_another_artifact() -> Result<(), InterpreterError> {
        let (one, two) = (engine()?, engine()?);
        assert_eq!(key(&one, &PYTHON), key(&two, &PYTHON));
        let other = Artifact { sha256: "0", ..PYTHON };
        assert_ne!(key(&one, &PYTHON), key(&one, &other));
        Ok(())
    }
}
