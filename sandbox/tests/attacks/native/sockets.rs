//! Bytes that no kernel sends, into the sockets to the host.

use std::sync::Arc;

use glassbox_sandbox::Backend;

use super::super::attack;
use super::ANY;

type Under<'a> = &'a Arc<dyn Backend>;

/// The connected sockets of the kernel, whoever is at their other end.
const SOCKETS: &str = "import os, random, socket, stat\nsockets = []\nfor fd in range(3, 250):\n\
    \x20   try:\n        if stat.S_ISSOCK(os.fstat(fd).st_mode):\n            s = socket.socket(fileno=os.dup(fd))\n            s.getpeername()\n            s.setblocking(False)\n            sockets.append(s)\n\
    \x20   except OSError: pass\nassert len(sockets) >= 4\n\
    def send(data):\n    for s in sockets:\n        try: s.send(data)\n        except OSError: pass\n";

async fn into_the_sockets(backend: Under<'_>, source: &str) {
    attack(backend, &format!("{SOCKETS}{source}"), ANY).await;
}

pub async fn garbage_into_the_sockets(backend: Under<'_>) {
    into_the_sockets(backend, "for _ in range(500): send(random.randbytes(random.randrange(1, 300)))").await;
}

pub async fn a_frame_of_all_the_memory_there_is(backend: Under<'_>) {
    into_the_sockets(backend, "send(b'\\x02' + b'\\xff' * 8)\nwhile True: send(bytes(1 << 20))").await;
}

pub async fn a_message_of_endless_frames(backend: Under<'_>) {
    into_the_sockets(backend, "while True: send(b'\\x01\\x00' * 50_000)").await;
}

pub async fn a_request_half_answered_for_ever(backend: Under<'_>) {
    into_the_sockets(backend, "send(b'\\x01\\x09<IDS|MSG>\\x02')\nimport time\ntime.sleep(1000)").await;
}

/// The kernel drops what the host gets of it; nothing piles up there.
pub async fn descriptors_sent_to_the_host(backend: Under<'_>) {
    let before = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let source = "for _ in range(20):\n    for s in sockets:\n        try: socket.send_fds(s, [b'\\x04\\x01x'], [0] * 100)\n        except OSError: pass";
    into_the_sockets(backend, source).await;
    let after = std::fs::read_dir("/proc/self/fd").unwrap().count();
    // Other tests of this process have open sessions too.
    assert!(after < before + 500, "{before} descriptors became {after}");
}

pub async fn sockets_closed(backend: Under<'_>) {
    into_the_sockets(backend, "for s in sockets: s.shutdown(socket.SHUT_RDWR)").await;
}
