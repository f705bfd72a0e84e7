//! The floors: tools <- sandbox, model <- runtime <- server <- cli. Nothing imports upward.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, PackageId};

/// The crates and their floors. A crate may import those of lower floors only.
const FLOORS: [(&str, u32); 8] = [
    ("glassbox-bench", 0),
    ("glassbox-macros", 0),
    ("glassbox-tools", 1),
    ("glassbox-sandbox", 2),
    ("glassbox-model", 2),
    ("glassbox", 3),
    ("glassbox-server", 4),
    ("glassbox-cli", 5),
];

fn metadata() -> Metadata {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut command = MetadataCommand::new();
    // Not offline: it reads the manifests of all platforms' crates, of which a fresh machine has its own alone.
    command.manifest_path(manifest).features(CargoOpt::AllFeatures).other_options(["--locked".to_owned()]);
    command.exec().unwrap()
}

#[test]
fn every_crate_of_the_workspace_has_its_floor() {
    let metadata = metadata();
    let known: BTreeSet<_> = FLOORS.iter().map(|(name, _)| *name).collect();
    let members: BTreeSet<_> = metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect();
    // Tests of their own, which nothing imports.
    let members: BTreeSet<_> =
        members.iter().map(String::as_str).filter(|name| *name != "glassbox-renamed-test").collect();
    assert_eq!(members, known, "a new crate belongs into FLOORS");
}

#[test]
fn nothing_imports_upward() {
    let floors = BTreeMap::from(FLOORS);
    for package in metadata().workspace_packages() {
        let Some(own) = floors.get(package.name.as_str()) else { continue };
        for dependency in &package.dependencies {
            let Some(other) = floors.get(dependency.name.as_str()) else { continue };
            // A crate's tests may look at crates beside it, never above.
            let allowed = if dependency.kind == DependencyKind::Development { other <= own } else { other < own };
            assert!(allowed, "`{}` (floor {own}) imports `{}` (floor {other})", package.name, dependency.name);
        }
    }
}

#[test]
fn tools_know_neither_models_nor_sandboxes_nor_their_engines() {
    let metadata = metadata();
    let below = reached_from(&metadata, "glassbox-tools");
    assert!(below.contains("serde_json"), "the walk finds what is there");
    for heavy in
        ["llama-cpp-2", "llama-cpp-sys-2", "wasmtime", "llguidance", "glassbox-model", "glassbox-sandbox", "glassbox"]
    {
        assert!(!below.contains(heavy), "`glassbox-tools` reaches `{heavy}`");
    }
    assert!(reached_from(&metadata, "glassbox-model").contains("llama-cpp-2"), "the walk finds what is there");
}

/// The names of all packages that `name` needs to be built, its tests left out.
fn reached_from(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let names: BTreeMap<&PackageId, &str> = metadata.packages.iter().map(|p| (&p.id, p.name.as_str())).collect();
    let root = metadata.packages.iter().find(|package| package.name.as_str() == name).unwrap();
    let (mut open, mut seen) = (vec![&root.id], BTreeSet::new());
    while let Some(id) = open.pop() {
        for dependency in &nodes[id].deps {
            let needed = dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development);
            if needed && seen.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}
