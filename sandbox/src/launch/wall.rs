//! The walls of the program's own process: Landlock, resource limits, and the filter of system calls.
//!
//! Landlock says again what the root says already: should one of them fail, the other holds.

use std::io;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::BpfProgram;

use super::job::{Bind, Resources};
use super::{sys, syscalls};

const NO_LANDLOCK: &str = "this kernel has no Landlock (Linux 5.13 or later, with `landlock` in its `lsm`)";

/// Puts this process behind an empty Landlock ruleset, to see whether there is such a thing.
pub(super) fn landlock() -> Result<(), Box<dyn std::error::Error>> {
    let rules = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    let status = rules.handle_access(AccessFs::from_all(ABI::V6))?.create()?.restrict_self()?;
    if status.ruleset == RulesetStatus::NotEnforced { Err(NO_LANDLOCK.into()) } else { Ok(()) }
}

/// Puts this process behind the filter of system calls.
pub(super) fn filter() -> Result<(), Box<dyn std::error::Error>> {
    let filters = syscalls::filters()?;
    let applied = filters.iter().try_for_each(|filter| seccompiler::apply_filter(filter));
    Ok(applied.map_err(|error| format!("no filter of system calls ({error})"))?)
}

/// Everything that is applied between fork and exec.
pub(super) struct Walls {
    files: RulesetCreated,
    calls: Vec<BpfProgram>,
    resources: Resources,
}

impl Walls {
    /// Prepares the walls. The paths are those inside.
    pub(super) fn new(binds: &[Bind], scratch: bool, resources: Resources) -> Result<Self, Box<dyn std::error::Error>> {
        let abi = ABI::V6;
        let (read, all) = (AccessFs::from_read(abi), AccessFs::from_all(abi));
        let paths = |writable| binds.iter().filter(move |bind| bind.writable == writable).map(|bind| bind.to.as_path());
        let devices = ["/dev/null", "/dev/zero", "/dev/full"];
        let memory = if scratch { "/tmp" } else { "/dev/shm" };
        let files = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(all)?
            .scope(Scope::from_all(abi))?
            .create()?
            .add_rules(path_beneath_rules(paths(false), read))?
            .add_rules(path_beneath_rules(["/proc"], read))?
            .add_rules(path_beneath_rules(paths(true), all))?
            .add_rules(path_beneath_rules(devices, all))?
            .add_rules(path_beneath_rules([memory], all))?;
        Ok(Self { files, calls: syscalls::filters()?, resources })
    }

    /// Applies them to this process, for ever.
    pub(super) fn close(&self) -> io::Result<()> {
        rustix::process::setsid()?;
        sys::close_from_on_exec(3)?;
        for (what, most) in [
            (Resource::As, self.resources.memory),
            (Resource::Data, self.resources.data),
            (Resource::Fsize, Some(self.resources.file_size)),
            (Resource::Nofile, Some(self.resources.open_files)),
            (Resource::Nproc, Some(self.resources.processes)),
            (Resource::Core, Some(0)),
        ] {
            if most.is_some() {
                setrlimit(what, Rlimit { current: most, maximum: most })?;
            }
        }
        let files = self.files.try_clone()?.restrict_self().map_err(io::Error::other)?;
        if files.ruleset == RulesetStatus::NotEnforced {
            return Err(io::Error::other(NO_LANDLOCK));
        }
        self.calls.iter().try_for_each(|filter| seccompiler::apply_filter(filter).map_err(io::Error::other))
    }
}
