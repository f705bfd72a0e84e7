//! Programs that break the interpreter they run in.

use std::sync::Arc;

use glassbox_sandbox::Backend;

use super::{Fate::*, attack};

type Under<'a> = &'a Arc<dyn Backend>;

/// Broken inside, a session may go on, be restored, or be restarted: it works afterwards, and so does the next.
const ANY: &[super::Fate] = &[Ends, Raises(""), Interrupted, Killed];

pub async fn program_exits(backend: Under<'_>) {
    for source in ["exit()", "import sys\nsys.exit(3)", "raise SystemExit('bye')", "quit(0)"] {
        attack(backend, source, &[Ends, Raises("SystemExit"), Killed]).await;
    }
}

pub async fn program_exits_hard(backend: Under<'_>) {
    attack(backend, "import os\nos._exit(4)", &[Killed]).await;
}

pub async fn program_aborts(backend: Under<'_>) {
    attack(backend, "import os\nos.abort()", &[Killed]).await;
}

pub async fn segfault(backend: Under<'_>) {
    attack(backend, "import faulthandler\nfaulthandler._sigsegv()", &[Killed, Raises("")]).await;
    attack(backend, "import ctypes\nctypes.string_at(0)", &[Killed, Raises("")]).await;
}

pub async fn builtins_deleted(backend: Under<'_>) {
    attack(backend, "import builtins\nfor name in list(vars(builtins)): delattr(builtins, name)", ANY).await;
    attack(backend, "__builtins__.__import__ = None\n__builtins__.Exception = None", ANY).await;
}

pub async fn modules_deleted(backend: Under<'_>) {
    attack(backend, "import sys\nsys.modules.clear()", ANY).await;
    attack(backend, "import sys\nfor name in list(sys.modules):\n    if name != 'sys': sys.modules[name] = None", ANY)
        .await;
}

pub async fn main_module_emptied(backend: Under<'_>) {
    attack(backend, "globals().clear()", ANY).await;
    attack(backend, "import sys\ndel sys.modules['__main__']", ANY).await;
}

pub async fn descriptors_closed(backend: Under<'_>) {
    attack(backend, "import os\nos.closerange(0, 1000)", ANY).await;
    attack(
        backend,
        "import os\nfd = os.open('f', os.O_CREAT | os.O_RDWR)\nos.dup2(fd, 1)\nos.dup2(fd, 2)\nprint('x')",
        ANY,
    )
    .await;
}

pub async fn guest_replaced(backend: Under<'_>) {
    let source = "import sys\nfor name, module in list(sys.modules.items()):\n    if 'glassbox' in name or 'ipykernel' in name:\n\
                  \x20       for member in list(vars(module)):\n            if callable(getattr(module, member, None)): setattr(module, member, lambda *a, **k: 1 / 0)";
    attack(backend, source, ANY).await;
}

pub async fn trace_function_that_raises(backend: Under<'_>) {
    let source = "import sys\ndef trace(*a): raise RuntimeError('traced')\nsys.settrace(trace)\nsys.setprofile(trace)\nprint('on')";
    attack(backend, source, ANY).await;
}

pub async fn import_system_broken(backend: Under<'_>) {
    attack(backend, "import sys\nsys.meta_path.clear()\nsys.path.clear()\nsys.path_hooks.clear()", ANY).await;
}
