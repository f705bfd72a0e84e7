//! The door from a WASM program to its host, knocked at by the program itself.

use std::sync::Arc;

use glassbox_sandbox::Backend;

use super::{Fate::*, attack, attack_in};
use crate::suite;

type Under<'a> = &'a Arc<dyn Backend>;

/// Finds the door on either tier.
const DOOR: &str = "import sys\nimport glassbox_guest\ndoor = glassbox_guest.door\n";

async fn knock(backend: Under<'_>, source: &str, fates: &[super::Fate]) -> suite::Ran {
    attack(backend, &format!("{DOOR}{source}"), fates).await
}

pub async fn garbage(backend: Under<'_>) {
    let source = "import random\nfor n in range(2000):\n    try: door(random.randbytes(random.randrange(200)))\n    except Exception: pass\nprint('end')";
    knock(backend, source, &[Prints("end\n")]).await;
}

pub async fn json_that_is_no_request(backend: Under<'_>) {
    let source = "import json\nfor what in [1, None, [], {}, {'op': 1}, {'op': 'none'}, {'op': 'tool'}, {'op': 'display'}, {'op': 'tool', 'name': 1, 'arguments': 2},\n\
                  \x20   {'op': 'error', 'name': [], 'value': {}, 'traceback': 5}, {'op': 'denied', 'kind': 'none'}, {'op': 'input'}, {'op': 'done', 'status': 'x'}]:\n\
                  \x20   answer = json.loads(door(json.dumps(what).encode()))\n    assert 'error' in answer, (what, answer)\nprint('end')";
    knock(backend, source, &[Prints("end\n")]).await;
}

pub async fn nesting(backend: Under<'_>) {
    let source = "for text in [b'[' * 1_000_000, b'{\"op\":' * 200_000, b'{\"op\":\"display\",\"data\":' + b'[' * 100_000 + b']' * 100_000 + b'}']:\n\
                  \x20   try: door(text)\n    except Exception: pass\nprint('end')";
    knock(backend, source, &[Prints("end\n")]).await;
}

pub async fn two_hundred_megabytes(backend: Under<'_>) {
    let source =
        "try:\n    answer = door(b'x' * 200_000_000)\n    print(b'error' in answer)\nexcept Exception: print(True)";
    knock(backend, source, &[Prints("True\n"), Raises("MemoryError"), Interrupted, Killed]).await;
}

pub async fn cell_asked_for_twice(backend: Under<'_>) {
    knock(backend, "import json\nprint('error' in json.loads(door(b'{\"op\": \"cell\"}')))", &[Prints("True\n")]).await;
}

/// A program may lie about its own end; it harms itself alone.
pub async fn end_told_too_early(backend: Under<'_>) {
    let source = "door(b'{\"op\": \"done\", \"status\": \"ok\"}')\nprint('after')\ndoor(b'{\"op\": \"result\", \"data\": {\"text/plain\": \"late\"}}')";
    knock(backend, source, &[Ends, Raises(""), Killed]).await;
}

pub async fn tool_that_was_not_offered(backend: Under<'_>) {
    let source = "import json\nprint('error' in json.loads(door(b'{\"op\": \"tool\", \"name\": \"shell\", \"arguments\": {\"command\": \"id\"}}')))";
    knock(backend, source, &[Prints("True\n")]).await;
}

pub async fn flood_of_calls(backend: Under<'_>) {
    let source = "while True: door(b'{\"op\": \"display\", \"data\": {\"text/plain\": \"x\"}}')";
    let ran = knock(backend, source, &[Interrupted, Killed, Raises("")]).await;
    assert!(ran.outputs.len() < 2_000_000);
}

pub async fn call_from_within_a_call_of_the_host(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    let source = format!(
        "{DOOR}import signal\ndef again(*a):\n    door(b'{{}}')\nsignal.signal(signal.SIGINT, again)\nfor _ in range(1000): door(b'{{}}')\nprint('end')"
    );
    attack_in(&session, &source, &[Prints("end\n")]).await;
}

macro_rules! knocked {
    ($backend:ident) => {
        attacked!($backend, door: [
            garbage, json_that_is_no_request, nesting, two_hundred_megabytes, cell_asked_for_twice, end_told_too_early,
            tool_that_was_not_offered, flood_of_calls, call_from_within_a_call_of_the_host,
        ]);
    };
}
