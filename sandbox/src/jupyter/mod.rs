//! Jupyter kernels: the full Python of a machine, or any other language that has a kernel.
//!
//! [`Jupyter`] starts kernels here, over Unix sockets in a folder of their own; [`JupyterRemote`] has a Jupyter server
//! start them. A kernel's code may take over its process and say anything on its sockets, so they are read with bounds on
//! everything; see `zmtp` for why no ZeroMQ library does it. A session is one task that takes one cell at a time; a kernel that is lost is started
//! again, and the cells that had ended well are run again in it.

mod backend;
mod cell;
mod content;
mod folder;
mod kernel;
mod kernelspec;
mod local;
mod message;
mod outlet;
mod process;
mod remote;
mod running;
mod session;
mod state;
mod worker;
mod zmtp;

pub use backend::{Jupyter, JupyterBuilder};
pub use process::Isolation;
pub use remote::{JupyterRemote, JupyterRemoteBuilder};
