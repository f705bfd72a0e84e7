//! Programs that do not end.

use std::sync::Arc;

use glassbox_sandbox::{Backend, Execution};

use super::{Fate::*, attack, attack_in, load};
use crate::suite::ends::CATCHES_EVERYTHING;

type Under<'a> = &'a Arc<dyn Backend>;

pub async fn loop_without_end(backend: Under<'_>) {
    attack(backend, "while True: pass", &[Interrupted]).await;
}

pub async fn sleep_without_end(backend: Under<'_>) {
    attack(backend, "import time\ntime.sleep(10**6)", &[Interrupted]).await;
}

pub async fn power_tower(backend: Under<'_>) {
    attack(backend, "9**9**9", &[Interrupted, Killed, Raises("MemoryError"), Raises("OverflowError")]).await;
}

pub async fn catastrophic_regex(backend: Under<'_>) {
    attack(backend, "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')", &[Interrupted, Killed]).await;
}

pub async fn loop_in_a_library(backend: Under<'_>) {
    attack(backend, "import json\nwhile True: json.dumps([1] * 100)", &[Interrupted]).await;
}

pub async fn loop_of_numpy(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    load(&session, "import numpy\na = numpy.ones((200, 200))", Execution::Ok).await;
    attack_in(&session, "while True: a @ a", &[Interrupted]).await;
}

pub async fn print_loop(backend: Under<'_>) {
    attack(backend, "while True: print('spam spam spam')", &[Interrupted]).await;
}

pub async fn loop_inside_c(backend: Under<'_>) {
    let source = "import collections, itertools\ncollections.deque(itertools.count(), maxlen=0)";
    attack(backend, source, &[Killed, Interrupted]).await;
    attack(backend, "sum(range(10**12))", &[Killed, Interrupted]).await;
}

pub async fn loop_that_catches_everything(backend: Under<'_>) {
    attack(backend, CATCHES_EVERYTHING, &[Killed]).await;
}

pub async fn loop_in_a_finalizer(backend: Under<'_>) {
    let source = "class Trap:\n    def __del__(self):\n        while True: pass\nTrap()\nprint('after')";
    attack(backend, source, &[Interrupted, Killed, Ends]).await;
}

pub async fn interrupt_handler_removed(backend: Under<'_>) {
    let source = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass";
    attack(backend, source, &[Killed, Interrupted]).await;
}

pub async fn value_whose_repr_never_ends(backend: Under<'_>) {
    let source = "class Trap:\n    def __repr__(self):\n        while True: pass\nTrap()";
    attack(backend, source, &[Interrupted, Killed]).await;
}

pub async fn event_loop_that_never_ends(backend: Under<'_>) {
    attack(backend, "import asyncio\nawait asyncio.sleep(10**6)", &[Interrupted, Killed]).await;
}

pub async fn hash_without_end(backend: Under<'_>) {
    let source = "import hashlib\nhashlib.pbkdf2_hmac('sha256', b'a', b'b', 10**9)";
    attack(backend, source, &[Raises("pbkdf2_hmac"), Killed, Interrupted]).await;
}

pub async fn sort_of_a_hundred_million(backend: Under<'_>) {
    attack(backend, "sorted(range(10**8, 0, -1))", &[Raises("MemoryError"), Interrupted, Killed]).await;
}

pub async fn loop_in_an_exit_handler(backend: Under<'_>) {
    let source = "import atexit\n@atexit.register\ndef trap():\n    while True: pass\nprint('set')";
    attack(backend, source, &[Prints("set\n")]).await;
}

pub async fn comparison_that_never_ends(backend: Under<'_>) {
    attack(backend, "import itertools\n(-1) in itertools.count()", &[Killed, Interrupted]).await;
}
