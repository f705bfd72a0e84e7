//! The catalog's own entries, over the network. Run by hand: `cargo test --release -p glassbox-model --test catalog_real --
//! --ignored`. The other tests fetch the small ones when they need them.
#![cfg(feature = "fetch")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use glassbox_model::catalog::{self, FetchEvent, Progress};

struct Print;

impl Progress for Print {
    fn event(&self, event: FetchEvent) {
        if !matches!(event, FetchEvent::Advanced { .. }) {
            println!("{event:?}");
        }
    }
}

#[tokio::test]
#[ignore = "fetches 600 MB on a machine that does not have them"]
async fn the_small_models_are_fetched_and_checked() {
    for name in ["smollm2-135m", "qwen2.5-coder-0.5b"] {
        let path = catalog::resolve(name, &Print).await.unwrap_or_else(|e| panic!("{e}\nhint: {:?}", e.hint()));
        let entry = catalog::entry(name).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), entry.bytes);
        assert_eq!(catalog::Cache::from_env().unwrap().locate(name), Some(path));
    }
}
