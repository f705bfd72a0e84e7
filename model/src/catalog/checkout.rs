//! Files that lie in Glassbox's own repository: copied into the cache like what comes from elsewhere, so that a name is one
//! file whatever folder a command runs in.

use std::{fs::File, io::Read as _, path::Path, sync::Arc};

use super::{
    FetchError, FetchEvent, SourceError,
    job::{CHECKOUT, Failure, Fetched, Job, lost_thread},
    part::{Part, Resume},
};

/// Copies `file`, a path from the folder of this crate in the checkout that the program was built from.
pub(crate) async fn fetch(job: &Job<'_>, file: &str) -> Result<Fetched, Failure> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let (to, origin) = (job.part_path(CHECKOUT), format!("checkout:{file}"));
    let lock = Arc::clone(&job.lock);
    let missing = SourceError::NotInCheckout { path: from.clone() };
    let target = to.clone();
    let copied = tokio::task::spawn_blocking(move || {
        let _held = lock;
        let read = |source| FetchError::Cache { action: "read", path: from.clone(), source };
        let mut file = match File::open(&from) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(read)?,
        };
        let total = file.metadata().map_err(read)?.len();
        let mut part = Part::open(&target, &origin, total, Resume::AtStep)?;
        part.restart()?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer).map_err(read)? {
                0 => return Ok(Some(part)),
                count => part.write(buffer.get(..count).unwrap_or_default())?,
            }
        }
    });
    let copied: Result<Option<Part>, FetchError> = copied.await.map_err(|error| lost_thread(&to, error))?;
    let part = copied?.ok_or(missing)?;
    job.progress.event(FetchEvent::Advanced { bytes: part.len() });
    Ok(Fetched { part, sha256: None })
}
