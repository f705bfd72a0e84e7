//! Many sessions that are processes, workers and kernels: one after another and at once. A file of its own, because it
//! measures the memory of its whole process. Needs what `glassbox setup` makes.

#![cfg(all(feature = "wasm", feature = "jupyter", target_os = "linux"))]

mod attacks;
mod backends;
mod suite;

use std::time::Duration;

use glassbox_sandbox::Limits;

/// Time enough for the good ones, however busy this machine is.
fn patient() -> Limits {
    Limits { soft_time: Duration::from_secs(5), ..attacks::limits() }
}

/// One after the other: the second would be seen in the memory that the first measures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_and_kernels_leave_nothing_and_finish_under_attack() {
    let (workers, kernels) = (backends::worker(patient()).await, backends::kept_kernel(patient()).await);
    attacks::many::sessions_leave_nothing(&workers, 200).await;
    attacks::many::sessions_leave_nothing(&kernels, 20).await;
    attacks::many::sessions_under_mixed_attack(&workers, 50).await;
    // Each takes a second of a processor to start.
    attacks::many::sessions_under_mixed_attack(&kernels, 10).await;
}
