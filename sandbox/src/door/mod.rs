//! The door between a program in the sandbox and the host: one function, requests and answers in JSON (the protocol is in
//! `sandbox/guest/README.md`). It knows nothing of WebAssembly, so every tier with our own Python side uses it, and it can
//! be tried with any bytes.
//!
//! A request is text from a program that may be hostile. What cannot be read is answered with an error; nothing here
//! panics, waits without a bound or keeps more than the cell's limits allow.

mod answer;
mod cell;
mod outlet;
mod request;

pub(crate) use cell::{Ending, Job, RunningCell};
pub(crate) use outlet::Outlet;
pub(crate) use request::MAX_REQUEST;

use std::time::Duration;

use answer::{Refusal, answer};
use request::Request;

/// The Python side, as `boot` hands it in: module names and their sources.
pub(crate) type Modules = [(&'static str, &'static str)];

/// Answers requests: of the cell that runs, or of a session that is starting.
pub(crate) struct Door {
    modules: &'static Modules,
    cell: Option<RunningCell>,
}

impl Door {
    /// For a session without a cell. `modules` is the Python side.
    pub(crate) fn new(modules: &'static Modules) -> Self {
        Self { modules, cell: None }
    }

    /// A cell starts.
    pub(crate) fn begin(&mut self, cell: RunningCell) {
        self.cell = Some(cell);
    }

    /// The cell is over.
    pub(crate) fn end(&mut self) -> Option<RunningCell> {
        self.cell.take()
    }

    /// How long the cell has waited for tools and people.
    pub(crate) fn waited(&self) -> Duration {
        self.cell.as_ref().map_or(Duration::ZERO, RunningCell::waited)
    }

    /// Answers one request.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Vec<u8> {
        answer(self.handle(request).await)
    }

    async fn handle(&mut self, bytes: &[u8]) -> Result<serde_json::Value, Refusal> {
        let request = Request::read(bytes)?;
        if matches!(request, Request::Boot) {
            let modules = self.modules.iter().map(|(name, source)| ((*name).to_owned(), (*source).into())).collect();
            return Ok(serde_json::json!({ "modules": serde_json::Value::Object(modules) }));
        }
        let cell = self.cell.as_mut().ok_or_else(|| Refusal::new("request", "no cell is running"))?;
        cell.handle(request).await
    }
}

#[cfg(test)]
mod tests;
