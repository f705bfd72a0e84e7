//! What a program can try that has a whole native process, and sockets to the host: the walls of the launcher, and the
//! host's reader of a kernel's messages.

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use glassbox_sandbox::{Backend, ExecuteRequest, Interpreter};

use super::{Fate::*, Target, attack, attack_in};
use crate::suite::{self, prints, run, works};

type Under<'a> = &'a Arc<dyn Backend>;

/// However a kernel may end that was broken from within.
const ANY: &[super::Fate] = &[Ends, Raises(""), Interrupted, Killed];

/// Makes each of these system calls, as number and arguments, and prints those that were not refused.
async fn refused(backend: Under<'_>, calls: &str) {
    let source = format!(
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nzero = ctypes.create_string_buffer(256)\nallowed = []\n\
         def text(s): return ctypes.c_char_p(s.encode())\n\
         for name, number, *arguments in [{calls}]:\n\
         \x20   made = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])\n\
         \x20   if made == 0 and name.startswith('fork'): os._exit(0)\n\
         \x20   if made >= 0 or ctypes.get_errno() not in (1, 38): allowed.append((name, made, ctypes.get_errno()))\n\
         print(allowed)"
    );
    attack(backend, &source, &[Prints("[]\n")]).await;
}

pub async fn other_processes_debugged(backend: Under<'_>) {
    refused(
        backend,
        "('ptrace', 101, 16, 1, 0, 0), ('ptrace self', 101, 0, 0, 0, 0), ('read memory', 310, 1, zero, 1, zero, 1, 0), \
         ('write memory', 311, 1, zero, 1, zero, 1, 0), ('kcmp', 312, 1, 1, 0, 0, 0), ('take descriptor', 438, 0, 0, 0)",
    )
    .await;
}

pub async fn mounts_and_roots(backend: Under<'_>) {
    refused(
        backend,
        "('mount', 165, text('none'), text('/tmp'), text('tmpfs'), 0, 0), ('remount', 165, text('none'), text('/usr'), 0, 4128, 0), \
         ('umount', 166, text('/proc'), 2), ('pivot_root', 155, text('.'), text('.')), ('chroot', 161, text('/tmp')), \
         ('open_tree', 428, -100, text('/'), 1), ('fsopen', 430, text('tmpfs'), 0), ('move_mount', 429, 0, text(''), 0, text(''), 0), \
         ('handle', 304, -100, zero, 0), ('mount_setattr', 442, -100, text('/usr'), 0, zero, 32)",
    )
    .await;
}

pub async fn new_namespaces(backend: Under<'_>) {
    refused(
        backend,
        "('unshare users', 272, 0x10000000), ('unshare mounts', 272, 0x20000), ('unshare network', 272, 0x40000000), \
         ('setns', 308, 0, 0), ('fork users', 56, 0x10000011, 0, 0, 0, 0), ('fork mounts', 56, 0x20011, 0, 0, 0, 0), \
         ('fork by clone3', 435, zero, 88)",
    )
    .await;
}

pub async fn wide_doors_into_the_kernel(backend: Under<'_>) {
    refused(
        backend,
        "('bpf', 321, 0, zero, 128), ('perf', 298, zero, 0, -1, -1, 0), ('userfaultfd', 323, 1), ('io_uring', 425, 8, zero), \
         ('io_uring enter', 426, 0, 0, 0, 0, 0, 0), ('keyctl', 250, 0, -3, 0), ('add_key', 248, text('user'), text('a'), zero, 1, -3), \
         ('request_key', 249, text('user'), text('a'), 0, 0), ('fanotify', 300, 0, 0), ('memfd_secret', 447, 0)",
    )
    .await;
}

pub async fn the_machine_itself(backend: Under<'_>) {
    refused(
        backend,
        "('load module', 175, zero, 1, text('')), ('kexec', 246, 0, 0, 0, 0), ('reboot', 169, 0, 0, 0, 0), ('swapoff', 168, text('/x')), \
         ('settime', 227, 0, zero), ('hostname', 170, text('x'), 1), ('log', 103, 10, 0, 0), ('accounts', 163, 0), ('ports', 172, 3), \
         ('x32 mount', 0x40000000 + 165, 0, 0, 0, 0, 0), ('x32 ptrace', 0x40000000 + 521, 0, 0, 0, 0)",
    )
    .await;
}

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
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: os.execvp('sleep', ['sleep', '{marker}'])\n    os._exit(0)\nos.wait()\ntime.sleep(0.3)"
    );
    attack_in(&session, &source, &[Ends]).await;
    assert!(runs(&marker), "the attack failed by itself");
    session.close().await;
    assert!(soon(|| !runs(&marker)).await, "it outlived its session");
}

/// A host that writes the connection file of the next kernel must not write through what lies there.
pub async fn connection_file_replaced_by_a_link(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    let target = Target::new();
    let source = format!(
        "import os, signal\nos.chdir('/session/run')\nos.remove('connection.json')\nos.symlink({:?}, 'connection.json')\n\
         for n in range(1, 6):\n    os.remove(f'k-{{n}}')\n    os.mkdir(f'k-{{n}}')\nos.kill(os.getpid(), signal.SIGKILL)",
        target.file()
    );
    attack_in(&session, &source, &[Killed]).await;
    session.restart().await.unwrap();
    works(&session).await;
    target.untouched();
}

/// Nor may it connect to a socket of the host that a link leads to. The next kernel's start-up is the program's, as far
/// as it can arrange that.
pub async fn start_up_files_for_the_next_kernel(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("host.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    let evil = format!("import os\\nfor n in range(1, 6): os.symlink({:?}, f'/session/run/k-{{n}}')", socket);
    let source = format!(
        "import os, signal\nevil = {evil:?}.replace('\\\\n', '\\n')\nhome = os.path.expanduser('~')\n\
         for path in [home + '/ipython/profile_default/startup/a.py', home + '/ipython/profile_default/ipython_config.py', home + '/.local/lib/python3.11/site-packages/usercustomize.py',\n\
         \x20       '/mnt/data/ipykernel_launcher.py', '/mnt/data/json.py', '/mnt/data/sitecustomize.py', '/mnt/data/pathlib.py', '/tmp/json.py']:\n\
         \x20   os.makedirs(os.path.dirname(path), exist_ok=True)\n    open(path, 'w').write(evil)\n\
         os.kill(os.getpid(), signal.SIGKILL)"
    );
    attack_in(&session, &source, &[Killed]).await;
    let left = "import os\nprint(os.getcwd(), [f for f in os.listdir('/session/run') if os.path.islink('/session/run/' + f)], os.path.exists(os.path.expanduser('~/.local')))";
    assert_eq!(prints(&session, left).await, "/mnt/data [] False\n");
    assert!(listener.accept().is_err(), "the host came to its own socket");
}

/// Sockets that are swapped while the host still looks for them.
pub async fn sockets_swapped_for_links(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("host.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    let source = format!(
        "import os\nfor n in range(1, 6):\n    os.remove(f'/session/run/k-{{n}}')\n    os.symlink({socket:?}, f'/session/run/k-{{n}}')"
    );
    attack_in(&session, &source, &[Ends]).await;
    session.restart().await.unwrap();
    works(&session).await;
    assert!(listener.accept().is_err(), "the host came to its own socket");
}

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

/// Finds the kernel and the message that it answers.
const KERNEL: &str = "kernel = get_ipython().kernel\nparent = kernel.get_parent()\nsession, iopub = kernel.session, kernel.iopub_socket\n\
    def say(kind, socket=None, **content): session.send(socket or iopub, kind, content=content, parent=parent)\n";

async fn forged(backend: Under<'_>, source: &str) -> suite::Ran {
    attack(backend, &format!("{KERNEL}{source}"), ANY).await
}

/// A program may lie about its own end; the next cell waits for it, and no longer than it may.
pub async fn end_forged(backend: Under<'_>) {
    forged(backend, "say('execute_reply', kernel.shell_streams[0].socket if hasattr(kernel, 'shell_streams') and kernel.shell_streams else None, status='ok')\nsay('status', execution_state='idle')\nwhile True: pass").await;
}

pub async fn messages_of_other_shapes(backend: Under<'_>) {
    let source = "import itertools\nodd = [None, 1, -1, 'x', [], {}, [[]], {'a': {}}, 1e308, '\\ud800', 'x' * 100_000, {'text/plain': None}]\n\
        for kind in ['stream', 'display_data', 'update_display_data', 'execute_result', 'error', 'status', 'clear_output', 'execute_input', 'comm_open', 'input_request', 'x' * 5000, '']:\n\
        \x20   for name, value in itertools.product(['name', 'text', 'data', 'transient', 'ename', 'traceback', 'execution_state', 'wait', 'prompt'], odd):\n\
        \x20       try: say(kind, **{name: value})\n        except Exception: pass\nprint('end')";
    let ran = forged(backend, source).await;
    assert!(super::shown_bytes(&ran) < 40 << 20);
}

pub async fn deep_json(backend: Under<'_>) {
    let source = "deep = '[' * 100_000 + ']' * 100_000\n\
        class Deep(dict): pass\nimport json\nsession.pack = lambda o: (b'{\"data\": {\"application/json\": ' + deep.encode() + b'}}') if isinstance(o, Deep) else json.dumps(o, default=str).encode()\n\
        for kind in ['display_data', 'stream', 'error', 'status', 'execute_reply']: session.send(iopub, kind, content=Deep(), parent=parent)\nprint('end')";
    forged(backend, source).await;
}

pub async fn messages_of_a_gigabyte(backend: Under<'_>) {
    let source = "block = b'x' * (1 << 24)\nwhile True: iopub.send_multipart([b'<IDS|MSG>', block, block, block, block, block, block])";
    forged(backend, source).await;
}

pub async fn displays_without_end(backend: Under<'_>) {
    let source = "while True: say('display_data', data={'text/plain': 'x' * 100_000}, metadata={})";
    let ran = forged(backend, source).await;
    assert!(super::shown_bytes(&ran) < 40 << 20, "{} bytes were kept", super::shown_bytes(&ran));
}

/// What is small is counted too.
pub async fn small_outputs_without_end(backend: Under<'_>) {
    let source = "while True:\n    say('clear_output', wait=True)\n    say('update_display_data', data={}, transient={'display_id': 'x'})\n    say('error', ename='', evalue='', traceback=[])";
    let ran = forged(backend, source).await;
    assert!(ran.outputs.len() < 11_000, "{} outputs", ran.outputs.len());
}

pub async fn errors_without_end(backend: Under<'_>) {
    let ran =
        forged(backend, "while True: say('error', ename='E', evalue='v' * 200_000, traceback=['t' * 200_000])").await;
    assert!(super::shown_bytes(&ran) < 40 << 20, "{} bytes were kept", super::shown_bytes(&ran));
}

pub async fn questions_without_end(backend: Under<'_>) {
    attack(backend, "while True:\n    try: input('?')\n    except EOFError: pass", &[Interrupted, Killed]).await;
}

pub async fn comms_without_end(backend: Under<'_>) {
    forged(backend, "from comm import create_comm\nwhile True: create_comm(target_name='t', data={'a': 'x' * 10_000})")
        .await;
}

pub async fn key_changed(backend: Under<'_>) {
    forged(backend, "session.key = b'another'").await;
}

pub async fn session_replaced(backend: Under<'_>) {
    forged(backend, "import jupyter_client.session as s\ns.Session.send = lambda *a, **k: 1 / 0\nsession.digest_history = 5\nsession.serialize = None").await;
}

pub async fn threads_of_the_kernel_stopped(backend: Under<'_>) {
    let source = "for name in ['iopub_thread', 'control_thread', 'shell_channel_thread']:\n\
        \x20   try: (getattr(kernel, name, None) or getattr(get_ipython().kernel.parent, name)).stop()\n    except BaseException: pass";
    forged(backend, source).await;
    let source = "import ctypes, threading\nfor t in threading.enumerate():\n    if t is not threading.main_thread(): ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(t.ident), ctypes.py_object(SystemExit))";
    forged(backend, source).await;
}

pub async fn event_loop_stopped(backend: Under<'_>) {
    forged(backend, "import asyncio\nasyncio.get_event_loop().stop()").await;
    forged(backend, "kernel.do_execute = None\nkernel.shell_handlers.clear()").await;
}

pub async fn zeromq_ended(backend: Under<'_>) {
    forged(backend, "import zmq\nzmq.Context.instance().destroy(linger=0)").await;
}

/// A pipe, where the host looks for a file.
pub async fn pipes_among_the_files(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    attack_in(&session, "import os, socket\nos.mkfifo('p')\nsocket.socket(socket.AF_UNIX).bind('s')", &[Ends]).await;
    let used = async |session: &Arc<dyn Interpreter>| {
        session.list_files().await.unwrap();
        assert!(session.get_file("p").await.is_err());
        assert!(session.get_file("s").await.is_err());
        session.put_file("p", b"x").await.unwrap();
        assert_eq!(session.get_file("p").await.unwrap(), b"x");
    };
    tokio::time::timeout(suite::HANG, used(&session)).await.expect("the host waits for a program");
    works(&session).await;
}

/// Files that change while the host reads them, by a process that outlives its cell.
pub async fn files_swapped_while_the_host_reads(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    let target = Target::new();
    let source = format!(
        "import os\nif os.fork() == 0:\n    while True:\n        try:\n            os.makedirs('d/e', exist_ok=True)\n            open('d/e/secret.txt', 'w').write('mine')\n            os.rename('d/e', 'd/f')\n            os.symlink({:?}, 'd/e')\n            os.remove('d/e')\n            os.remove('d/f/secret.txt')\n            os.rmdir('d/f')\n        except OSError: pass",
        target.file().parent().unwrap()
    );
    run(&session, &source).await;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(2) {
        let got = session.get_file("d/e/secret.txt").await;
        assert!(got.as_ref().map_or(true, |data| data.as_slice() == b"mine" || data.is_empty()), "{got:?}");
        let _ = session.put_file("d/e/planted.txt", b"x").await;
        let _ = session.list_files().await;
    }
    target.untouched();
    session.close().await;
}

/// A cell whose outputs nobody reads does not fill the host.
pub async fn flood_that_nobody_reads(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    let source =
        format!("{KERNEL}while True: say('display_data', data={{'text/plain': 'x' * 1_000_000}}, metadata={{}})");
    let mut events = session.execute(ExecuteRequest::new(source));
    events.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(events);
    works(&session).await;
}

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
    };
}
