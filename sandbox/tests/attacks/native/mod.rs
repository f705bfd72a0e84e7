//! What a program can try that has a whole native process, and sockets to the host: the walls of the launcher, and the
//! host's reader of a kernel's messages.

mod calls;
mod files;
mod machine;
mod messages;
mod next_kernel;
mod sockets;

use super::Fate::{self, *};

pub use calls::*;
pub use files::*;
pub use machine::*;
pub use messages::*;
pub use next_kernel::*;
pub use sockets::*;

/// However a kernel may end that was broken from within.
const ANY: &[Fate] = &[Ends, Raises(""), Interrupted, Killed];

/// Makes a test of each attack that only a kernel can try.
macro_rules! tried_by_kernels {
    ($backend:ident) => {
        attacked!($backend, native: [
            other_processes_debugged, mounts_and_roots, new_namespaces, wide_doors_into_the_kernel, the_machine_itself,
            another_user, settings_of_the_system, processes_of_the_host_seen, abstract_socket_of_the_host, fork_bomb,
            thread_bomb, shared_memory_filled, daemon_that_outlives_its_session, connection_file_replaced_by_a_link,
            start_up_files_for_the_next_kernel, sockets_swapped_for_links, garbage_into_the_sockets,
            a_frame_of_all_the_memory_there_is, a_message_of_endless_frames, a_request_half_answered_for_ever,
            descriptors_sent_to_the_host, sockets_closed, end_forged, messages_of_other_shapes, deep_json,
            messages_of_a_gigabyte, displays_without_end, small_outputs_without_end, errors_without_end,
            questions_without_end, comms_without_end, key_changed, session_replaced, threads_of_the_kernel_stopped,
            event_loop_stopped, zeromq_ended, pipes_among_the_files, files_swapped_while_the_host_reads,
            flood_that_nobody_reads,
        ]);
        #[cfg(target_arch = "x86_64")]
        attacked!($backend, native as native_x86_64: [calls_of_another_convention]);
    };
}
