//! Programs that flood who listens, or give what cannot be shown.

use std::sync::Arc;

use glassbox_sandbox::{Backend, Execution, Output};

use super::{Fate::*, attack, or_slow, shown_bytes};

type Under<'a> = &'a Arc<dyn Backend>;

/// Twice what a stream keeps: one stream, the other, and what is said about them.
const KEPT: usize = 2 << 20;

fn truncated(outputs: &[Output], wanted: &str) -> u64 {
    let found = outputs.iter().find_map(|output| match output {
        Output::Truncated { stream, bytes } if stream == wanted => Some(*bytes),
        _ => None,
    });
    found.unwrap_or_default()
}

pub async fn fifty_megabytes_printed(backend: Under<'_>) {
    let ran = attack(backend, "print('x' * 50_000_000)", &[Ends, Interrupted]).await;
    assert!(shown_bytes(&ran) < KEPT, "{} bytes were kept", shown_bytes(&ran));
    if ran.execution == Execution::Ok {
        assert!(truncated(&ran.outputs, "stdout") > 0);
    }
}

pub async fn error_stream_flooded(backend: Under<'_>) {
    let source = "import sys\nwhile True: sys.stderr.write('y' * 100_000)";
    let ran = attack(backend, source, &[Interrupted, Killed, Raises("MemoryError")]).await;
    assert!(shown_bytes(&ran) < KEPT, "{} bytes were kept", shown_bytes(&ran));
    // A kernel gathers it in its own memory: where that ends first, or the time does, nothing of it was sent.
    if ran.execution == Execution::Interrupted && !backend.name().starts_with("jupyter") {
        assert!(truncated(&ran.outputs, "stderr") > 0, "{:?}", ran.outputs.len());
    }
}

pub async fn displays_flooded(backend: Under<'_>) {
    let source = "from IPython.display import display\nfor _ in range(100): display('z' * 1_000_000)\nprint('end')";
    let ran = attack(backend, source, &[Ends, Interrupted, Raises("")]).await;
    assert!(shown_bytes(&ran) < 40 << 20, "{} bytes were kept", shown_bytes(&ran));
}

pub async fn message_of_an_exception_flooded(backend: Under<'_>) {
    let ran = attack(backend, "raise ValueError('m' * 50_000_000)", &[Raises("ValueError"), Interrupted, Killed]).await;
    assert!(shown_bytes(&ran) < 8 << 20, "{} bytes were kept", shown_bytes(&ran));
}

pub async fn last_value_flooded(backend: Under<'_>) {
    let ran = attack(backend, "'v' * 50_000_000", &[Ends, Interrupted, Killed, Raises("MemoryError")]).await;
    assert!(shown_bytes(&ran) < 40 << 20, "{} bytes were kept", shown_bytes(&ran));
}

pub async fn bytes_that_are_no_text(backend: Under<'_>) {
    let source = "import os, sys\nsys.stdout.flush()\nos.write(1, bytes(range(256)))\nprint('end')";
    let ran = attack(backend, source, &[Ends]).await;
    // A kernel reads its descriptors on another thread: the bytes may come between the word and its line's end.
    assert!(ran.stdout().contains("end"), "{:?}", ran.outputs);
}

pub async fn lone_surrogates_printed(backend: Under<'_>) {
    attack(backend, "print('a\\ud800b')", &[Ends, Raises("UnicodeEncodeError")]).await;
    attack(backend, "'\\udfff'", &[Ends, Raises("UnicodeEncodeError")]).await;
    let fates = or_slow(backend, &[Raises("ValueError"), Raises("UnicodeEncodeError")]);
    attack(backend, "raise ValueError('\\ud800')", &fates).await;
}

pub async fn exception_whose_text_raises(backend: Under<'_>) {
    let source = "class Bad(Exception):\n    def __str__(self): raise Bad\n    __repr__ = __str__\nraise Bad";
    attack(backend, source, &or_slow(backend, &[Raises("Bad")])).await;
}

pub async fn exception_groups_nested_deep(backend: Under<'_>) {
    let source = "e = ValueError('inner')\nfor _ in range(2000): e = ExceptionGroup('g', [e])\nraise e";
    attack(backend, source, &[Raises("Group"), Raises("RecursionError"), Interrupted, Killed]).await;
    let source = "def f(n):\n    try:\n        if n: f(n - 1)\n        raise ValueError(n)\n    except ValueError as e:\n        raise KeyError(n) from e\nf(300)";
    attack(backend, source, &or_slow(backend, &[Raises("KeyError"), Raises("RecursionError")])).await;
}

/// They reach the reader as they are; showing them safely is the shower's work, and is tested there.
pub async fn terminal_codes_stay_text(backend: Under<'_>) {
    attack(backend, "print('\\x1b]0;title\\x07\\x1b[2J')", &[Prints("\u{1b}]0;title\u{7}\u{1b}[2J\n")]).await;
}

pub async fn streams_replaced(backend: Under<'_>) {
    for source in [
        "import sys\nsys.stdout = None",
        "import sys\nsys.stderr = sys.stdout = object()",
        "import sys\nsys.stdout.close()",
        "import builtins\nbuiltins.print = None",
    ] {
        attack(backend, source, &[Ends, Raises(""), Killed]).await;
    }
}

pub async fn many_small_writes(backend: Under<'_>) {
    let source = "import sys\nfor n in range(20_000):\n    sys.stdout.write('.')\n    sys.stdout.flush()";
    let ran = attack(backend, source, &[Ends, Interrupted]).await;
    assert!(shown_bytes(&ran) < KEPT);
}
