//! Standard output and error of a component, and file streams that are metered.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

use crate::DenialKind;
use crate::capture::Stream;
use crate::door::Outlet;

use super::super::folder::Usage;
use super::quota::Quota;

/// Bytes taken of one write.
const MAX_WRITE: usize = 64 << 10;

/// Where the outputs of the running cell go; nowhere between cells.
#[derive(Clone, Default)]
pub(super) struct Place(Arc<Mutex<Option<Outlet>>>);

impl Place {
    /// A cell begins, or ends.
    pub(super) fn set(&self, outlet: Option<Outlet>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = outlet;
    }

    /// The host refused something.
    pub(super) fn denied(&self, kind: DenialKind, message: String, hint: &str) {
        if let Some(outlet) = self.get() {
            outlet.denied(kind, message, hint);
        }
    }

    fn get(&self) -> Option<Outlet> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Standard output or error.
#[derive(Clone)]
pub(super) struct Printed {
    pub(super) stream: Stream,
    pub(super) place: Place,
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // For preview3, which no component here has.
        Box::new(tokio::io::sink())
    }
}

#[async_trait]
impl Pollable for Printed {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Printed {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if let Some(outlet) = self.place.get() {
            outlet.bytes(self.stream, &bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE)
    }
}

/// A stream into a file, whose bytes are taken from the quota.
pub(super) struct Metered {
    pub(super) inner: DynOutputStream,
    pub(super) quota: Arc<Quota>,
}

impl Metered {
    fn take(&self, bytes: &Bytes) -> StreamResult<()> {
        if self.quota.take(Usage { bytes: bytes.len() as u64, files: 0 }) {
            return Ok(());
        }
        let full = std::io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
        Err(StreamError::LastOperationFailed(full.into()))
    }
}

#[async_trait]
impl Pollable for Metered {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait]
impl OutputStream for Metered {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes)?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes)?;
        self.inner.blocking_write_and_flush(bytes).await
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}
