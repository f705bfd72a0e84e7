//! The machine around a kernel: its users, settings, processes and sockets.

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glassbox_sandbox::Backend;

use super::super::{Fate::*, attack, attack_in};

type Under<'a> = &'a Arc<dyn Backend>;

pub async fn another_user(backend: Under<'_>) {
    let source = "import os, subprocess\nallowed = []\n\
        for name, call in {'setuid': lambda: os.setuid(0), 'setgid': lambda: os.setgid(0), 'groups': lambda: os.setgroups([0]),\n\
        \x20       'map': lambda: open('/proc/self/uid_map', 'w').write('0 0 1'), 'device': lambda: os.mknod('d', 0o60600, 0x800),\n\
        \x20       'owner': lambda: os.chown('.', 0, 0), 'chroot': lambda: os.chroot('.'), 'nice': lambda: os.nice(-5)}.items():\n\
        \x20   try:\n        call()\n        allowed.append(name)\n    except (OSError, ValueError): pass\n\
        open('s', 'w').write('#!/bin/sh\\nid -u')\nos.chmod('s', 0o6755)\nprint(allowed, os.getuid(), os.geteuid())";
    attack(backend, source, &[Prints("[] 1000 1000\n")]).await;
}

pub async fn settings_of_the_system(backend: Under<'_>) {
    let source = "import os\nopened = []\n\
        for path in ['/proc/sys/kernel/core_pattern', '/proc/sys/kernel/modprobe', '/proc/sys/kernel/hostname', '/proc/sys/vm/drop_caches', '/proc/sysrq-trigger',\n\
        \x20       '/proc/sys/user/max_user_namespaces', '/proc/self/oom_score_adj', '/proc/1/oom_score_adj', '/proc/self/setgroups', '/dev/tty', '/dev/kmsg', '/dev/ptmx',\n\
        \x20       '/dev/mem', '/sys/fs/cgroup/cgroup.procs', '/sys/kernel/uevent_helper']:\n\
        \x20   try: os.open(path, os.O_WRONLY)\n    except OSError: continue\n    opened.append(path)\nprint(opened)";
    attack(backend, source, &[Prints("[]\n")]).await;
}

pub async fn processes_of_the_host_seen(backend: Under<'_>) {
    let me = std::process::id();
    let source = format!(
        "import os\nprint({me} in map(int, filter(str.isdigit, os.listdir('/proc'))), os.getppid() < 2, max(map(int, filter(str.isdigit, os.listdir('/proc')))) < 100)"
    );
    // Its parent is outside, or the first process of its namespace.
    attack(backend, &source, &[Prints("False True True\n")]).await;
}

pub async fn abstract_socket_of_the_host(backend: Under<'_>) {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("glassbox-attacked-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let source = format!("import socket\nsocket.socket(socket.AF_UNIX).connect('\\0{name}')");
    attack(backend, &source, &[Raises("Error")]).await;
    assert!(listener.accept().is_err(), "somebody came");
}

pub async fn fork_bomb(backend: Under<'_>) {
    let source = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass";
    attack(backend, source, &[Interrupted, Killed]).await;
}

pub async fn thread_bomb(backend: Under<'_>) {
    let source = "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(1000,)).start()";
    attack(backend, source, &[Raises("Error"), Interrupted, Killed]).await;
}

pub async fn shared_memory_filled(backend: Under<'_>) {
    let source = "f = open('/dev/shm/a', 'wb')\nfor n in range(100):\n    f = open(f'/dev/shm/{n}', 'wb')\n    f.write(bytes(10**7))\n    f.flush()";
    attack(backend, source, &[Raises("No space left")]).await;
}

/// Whether a process of this machine has `marker` in its command line.
fn runs(marker: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut commands = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    commands.any(|command| String::from_utf8_lossy(&command).contains(marker))
}

/// Waits for what must happen soon.
async fn soon(mut happened: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        if happened() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

pub async fn daemon_that_outlives_its_session(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    let marker = format!("86397.{}", std::process::id());
    let source = format!(
        "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: os.execvp('sleep', ['sleep', '{marker}'])\n    os._exit(0)\nos.wait()"
    );
    attack_in(&session, &source, &[Ends]).await;
    assert!(soon(|| runs(&marker)).await, "the attack failed by itself");
    session.close().await;
    assert!(soon(|| !runs(&marker)).await, "it outlived its session");
}
