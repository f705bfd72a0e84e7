//! Which kind of value a tool returns, asked of the compiler.
//!
//! `String` implements `Serialize` and must still become text rather than JSON; a `Result` under an alias
//! (`io::Result`, `anyhow::Result`) must be seen as one although a macro sees only its name. Traits alone cannot say
//! "this, else that", but method lookup can: it prefers the candidate that needs the fewest automatic dereferences. So
//! `#[tool]` calls `(&&&Probe::of(&value)).output_kind()`, and the traits below are implemented for `&&Probe`, `&Probe`
//! and `Probe`, from the most special to the most general. The last one of each accepts everything and then fails with a
//! message that says what is missing.

use std::error::Error;
use std::marker::PhantomData;

use serde::Serialize;

use crate::{IntoToolOutput, ToolError, ToolOutput};

/// Stands for a value of type `T` without holding it.
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// For the type of `value`.
    pub fn of(_value: &T) -> Self {
        Self(PhantomData)
    }
}

/// The function returns a `Result` whose error can be shown.
pub struct Fallible;
/// The function returns a `Result` whose error cannot be shown.
pub struct Unshowable;
/// The function returns no `Result`.
pub struct Infallible;

#[allow(missing_docs)]
pub trait FallibleReturn {
    fn result_kind(&self) -> Fallible {
        Fallible
    }
}
impl<T, E: Into<Box<dyn Error + Send + Sync>>> FallibleReturn for &&Probe<Result<T, E>> {}

#[allow(missing_docs)]
pub trait NoError {
    fn result_kind(&self) -> Unshowable {
        Unshowable
    }
}
impl<T, E> NoError for &Probe<Result<T, E>> {}

#[allow(missing_docs)]
pub trait AnyReturn {
    fn result_kind(&self) -> Infallible {
        Infallible
    }
}
impl<T> AnyReturn for Probe<T> {}

impl Fallible {
    /// The value, or the error as the tool's.
    ///
    /// # Errors
    /// The function's.
    pub fn into_result<T, E: Into<Box<dyn Error + Send + Sync>>>(self, returned: Result<T, E>) -> Result<T, ToolError> {
        returned.map_err(ToolError::failed)
    }
}

impl Unshowable {
    /// Does not compile, and says why.
    ///
    /// # Errors
    /// Never called.
    pub fn into_result<T, E: ToolFailure>(self, returned: Result<T, E>) -> Result<T, ToolError> {
        returned.map_err(ToolFailure::never)
    }
}

impl Infallible {
    /// The value.
    ///
    /// # Errors
    /// None; the type is that of the fallible case.
    pub fn into_result<T>(self, returned: T) -> Result<T, ToolError> {
        Ok(returned)
    }
}

/// Text, JSON, content, or another type that knows what it becomes.
pub struct Direct;
/// Something for serde.
pub struct Json;
/// Neither.
pub struct Unknown;

#[allow(missing_docs)]
pub trait DirectOutput {
    fn output_kind(&self) -> Direct {
        Direct
    }
}
impl<T: IntoToolOutput> DirectOutput for &&Probe<T> {}

#[allow(missing_docs)]
pub trait JsonOutput {
    fn output_kind(&self) -> Json {
        Json
    }
}
impl<T: Serialize> JsonOutput for &Probe<T> {}

#[allow(missing_docs)]
pub trait NoOutput {
    fn output_kind(&self) -> Unknown {
        Unknown
    }
}
impl<T> NoOutput for Probe<T> {}

impl Direct {
    /// The output.
    ///
    /// # Errors
    /// Of the value's own conversion.
    pub fn into_output<T: IntoToolOutput>(self, value: T) -> Result<ToolOutput, ToolError> {
        value.into_tool_output()
    }
}

impl Json {
    /// The value as JSON.
    ///
    /// # Errors
    /// Where serde cannot write it: a map whose keys are not text, or a `Serialize` that fails.
    pub fn into_output<T: Serialize>(self, value: T) -> Result<ToolOutput, ToolError> {
        serde_json::to_value(value).map(ToolOutput::json).map_err(ToolError::failed)
    }
}

impl Unknown {
    /// Does not compile, and says why.
    ///
    /// # Errors
    /// Never called.
    pub fn into_output<T: ToolReturn>(self, value: T) -> Result<ToolOutput, ToolError> {
        Err(value.never())
    }
}

/// Implemented by nothing: its error message is its purpose.
#[diagnostic::on_unimplemented(
    message = "a tool cannot return `{Self}`: it has no form that a model could read",
    label = "neither text nor serialisable",
    note = "derive `serde::Serialize` for it, and the model reads it as JSON",
    note = "or return `String`, `ToolOutput`, `Content`, or nothing"
)]
pub trait ToolReturn {
    #[allow(missing_docs)]
    fn never(self) -> ToolError;
}

/// Implemented by nothing: its error message is its purpose.
#[diagnostic::on_unimplemented(
    message = "a tool cannot fail with `{Self}`: it is not an error that can be shown",
    label = "not an error",
    note = "implement `std::error::Error` for it (it must be `Send + Sync`), or use `String` or `Box<dyn Error + Send + Sync>`"
)]
pub trait ToolFailure {
    #[allow(missing_docs)]
    fn never(self) -> ToolError;
}
