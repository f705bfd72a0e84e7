//! Messages that a kernel forges, and what is left of a kernel that a program has broken.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use glassbox_sandbox::{Backend, ExecuteRequest};

use super::super::{Fate::*, attack, shown_bytes};
use super::ANY;
use crate::suite::{self, works};

type Under<'a> = &'a Arc<dyn Backend>;

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
    assert!(shown_bytes(&ran) < 40 << 20);
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
    assert!(shown_bytes(&ran) < 40 << 20, "{} bytes were kept", shown_bytes(&ran));
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
    assert!(shown_bytes(&ran) < 40 << 20, "{} bytes were kept", shown_bytes(&ran));
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
