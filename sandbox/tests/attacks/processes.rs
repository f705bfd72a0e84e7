//! Other processes and threads. A WASM sandbox has none; a kernel may have its own and reaches no other.

use std::sync::Arc;

use glassbox_sandbox::Backend;

use super::{Fate::*, attack};

type Under<'a> = &'a Arc<dyn Backend>;

fn wasm(backend: Under<'_>) -> bool {
    !backend.name().starts_with("jupyter")
}

pub async fn shell_command(backend: Under<'_>) {
    let source = "import os\nprint(os.system('cat ' + FILE))\nprint(os.popen('cat ' + FILE).read())";
    attack(backend, source, if wasm(backend) { &[Raises("")] } else { &[Ends, Raises("")] }).await;
}

pub async fn child_process(backend: Under<'_>) {
    let source = "import subprocess\nprint(subprocess.run(['cat', FILE], capture_output=True))";
    attack(backend, source, if wasm(backend) { &[Raises("")] } else { &[Ends, Raises("")] }).await;
}

pub async fn fork(backend: Under<'_>) {
    let source = "import os\npid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)\nprint('forked')";
    attack(backend, source, if wasm(backend) { &[Raises("")] } else { &[Ends, Raises("")] }).await;
}

pub async fn threads(backend: Under<'_>) {
    let source = "import threading\nt = threading.Thread(target=lambda: print(open(FILE).read()))\nt.start()\nt.join()";
    attack(backend, source, if wasm(backend) { &[Raises("")] } else { &[Ends, Raises("")] }).await;
}

pub async fn exec(backend: Under<'_>) {
    attack(backend, "import os\nos.execv('/bin/cat', ['cat', FILE])", &[Raises(""), Killed]).await;
}

pub async fn signals_to_others(backend: Under<'_>) {
    let me = std::process::id();
    let source = format!(
        "import os\nfor pid in [{me}, 1, -1, getattr(os, 'getppid', int)()]:\n    try: os.kill(pid, 9)\n    except BaseException as e: pass\nprint('end')"
    );
    // Within its own namespace a kernel may end itself; this very process goes on.
    attack(backend, &source, if wasm(backend) { &[Prints("end\n")] } else { &[Ends, Killed] }).await;
}

pub async fn native_code(backend: Under<'_>) {
    let source = "import ctypes\nlibc = ctypes.CDLL(None)\nfd = libc.open(FILE.encode(), 0)\nbuffer = ctypes.create_string_buffer(99)\n\
                  print(fd, libc.read(fd, buffer, 99), buffer.value)";
    attack(backend, source, if wasm(backend) { &[Raises("")] } else { &[Ends, Raises("")] }).await;
}

pub async fn kernel_alarm(backend: Under<'_>) {
    let source = "import signal, time\nsignal.alarm(1)\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\ntime.sleep(0.1)";
    attack(backend, source, &[Raises(""), Ends, Killed, Interrupted]).await;
}
