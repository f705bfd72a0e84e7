//! The Python side of the sandbox (`sandbox/guest`), in this binary.

/// What makes the package in a fresh interpreter.
pub(crate) const BOOTSTRAP: &str = include_str!("../guest/bootstrap.py");

/// Runs the cell that the door hands out. Leaves no name in the program's own module, and is short: CPython parses it
/// for every cell.
pub(crate) const TURN: &str = "__glassbox__()";

/// Makes a session that starts from an image its own.
pub(crate) const FRESH: &str = "__import__('glassbox_guest').fresh()";

/// Fails where a program has broken what a turn needs.
pub(crate) const PROBE: &str = "__glassbox__.__code__, __import__('sys').modules['glassbox_guest.cells']";

/// What the small tier's component is made of, beside the package.
pub(crate) const SMALL: &[(&str, &str)] = &[
    ("small_session.py", include_str!("../guest/small/small_session.py")),
    ("world.wit", include_str!("../guest/small/world.wit")),
];

macro_rules! modules {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../guest/glassbox_guest/", $name, ".py")))),*]
    };
}

/// The package's modules and their sources; `__init__` is the package itself.
pub(crate) const MODULES: &[(&str, &str)] = modules![
    "__init__",
    "bundles",
    "calls",
    "cells",
    "console",
    "denials",
    "displaying",
    "figures",
    "imports",
    "interrupts",
    "loop",
    "magics",
    "names",
    "pretty",
    "schemas",
    "session",
    "shim",
    "tools",
    "tracebacks",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_of_the_folder_is_in_the_binary() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/guest/glassbox_guest");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(name).collect();
        names.retain(|name| std::path::Path::new(name).extension().is_some_and(|extension| extension == "py"));
        names.sort();
        let known: Vec<String> = MODULES.iter().map(|(name, _)| format!("{name}.py")).collect();
        assert_eq!(names, known);
    }
}
