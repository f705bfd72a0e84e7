//! Parts that are given by value or in an `Arc`.

use std::sync::Arc;

use glassbox_model::ChatModel;
use glassbox_sandbox::{Backend, InputSource};
use glassbox_tools::Approver;

/// A part of an agent, by value (`MyModel`), shared (`Arc<MyModel>`) or shared and of unknown type
/// (`Arc<dyn ChatModel>`). `How` is found by the compiler and never written.
pub trait IntoShared<Part: ?Sized, How> {
    /// The part.
    fn into_shared(self) -> Arc<Part>;
}

/// [`IntoShared`]: given by value.
#[derive(Debug)]
pub enum ByValue {}

/// [`IntoShared`]: given in an `Arc`.
#[derive(Debug)]
pub enum InArc {}

/// [`IntoShared`]: given as an `Arc<dyn …>`.
#[derive(Debug)]
pub enum InDynArc {}

impl<Part: ?Sized> IntoShared<Part, InDynArc> for Arc<Part> {
    fn into_shared(self) -> Arc<Part> {
        self
    }
}

macro_rules! shared {
    ($($part:ident),*) => {$(
        impl<T: $part> IntoShared<dyn $part, ByValue> for T {
            fn into_shared(self) -> Arc<dyn $part> {
                Arc::new(self)
            }
        }

        impl<T: $part> IntoShared<dyn $part, InArc> for Arc<T> {
            fn into_shared(self) -> Arc<dyn $part> {
                self
            }
        }
    )*};
}

shared!(ChatModel, Backend, Approver, InputSource);
