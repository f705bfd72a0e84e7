//! Programs that want all the memory, or all the stack.

use std::sync::Arc;

use glassbox_sandbox::Backend;

use super::{Fate::*, attack, attack_in, or_slow};
use crate::suite;

type Under<'a> = &'a Arc<dyn Backend>;

const FULL: &[super::Fate] =
    &[Raises("MemoryError"), Raises("OverflowError"), Raises("RecursionError"), Interrupted, Killed];

pub async fn string_of_ten_gigabytes(backend: Under<'_>) {
    attack(backend, "'a' * 10**10", FULL).await;
}

pub async fn lists_without_end(backend: Under<'_>) {
    attack(backend, "many = []\nwhile True: many.append('x' * 1000)", FULL).await;
}

pub async fn byte_arrays_without_end(backend: Under<'_>) {
    attack(backend, "many = [bytearray(10**7) for _ in range(1000)]", FULL).await;
}

pub async fn recursion_without_end(backend: Under<'_>) {
    attack(backend, "def f(n): return f(n + 1)\nf(0)", &or_slow(backend, &[Raises("RecursionError")])).await;
}

pub async fn recursion_limit_bomb(backend: Under<'_>) {
    let source = "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1)\nf(0)";
    attack(backend, source, FULL).await;
}

pub async fn nesting_printed(backend: Under<'_>) {
    attack(backend, "x = []\nfor _ in range(200_000): x = [x]\nrepr(x)", FULL).await;
}

pub async fn nesting_freed(backend: Under<'_>) {
    attack(backend, "x = []\nfor _ in range(1_000_000): x = [x]\ndel x", &[Ends, Interrupted, Killed]).await;
}

pub async fn nested_regex(backend: Under<'_>) {
    let fates = &[Raises("Error"), Raises("error"), Interrupted, Killed];
    attack(backend, "import re\nre.match('(' * 100_000, 'a')", fates).await;
}

pub async fn nested_source(backend: Under<'_>) {
    let fates = &[Raises("SyntaxError"), Raises("MemoryError"), Raises("RecursionError"), Killed];
    attack(backend, "compile('(' * 100_000, 'x', 'eval')", fates).await;
}

pub async fn nested_unary_source(backend: Under<'_>) {
    let fates = &[Raises("SyntaxError"), Raises("MemoryError"), Raises("RecursionError"), Killed, Interrupted];
    attack(backend, "eval('-' * 1_000_000 + '1')", fates).await;
}

pub async fn number_with_a_hundred_billion_bits(backend: Under<'_>) {
    attack(backend, "1 << 10**11", FULL).await;
}

pub async fn format_width_bomb(backend: Under<'_>) {
    let fates = &[Raises("MemoryError"), Raises("ValueError"), Raises("OverflowError"), Killed];
    attack(backend, "'{:>10000000000}'.format(1)", fates).await;
}

pub async fn decompression_bomb(backend: Under<'_>) {
    let source = "import zlib\nmaker = zlib.compressobj(9)\nblock = bytes(1 << 20)\n\
                  packed = b''.join(maker.compress(block) for _ in range(50)) + maker.flush()\n\
                  kept = []\nwhile True: kept.append(zlib.decompress(packed))";
    attack(backend, source, FULL).await;
}

pub async fn billion_laughs_in_xml(backend: Under<'_>) {
    let source = "from xml.etree import ElementTree\n\
                  entities = ''.join(f'<!ENTITY l{n} \"{(\"&l%d;\" % (n - 1)) * 10}\">' for n in range(1, 10))\n\
                  ElementTree.fromstring('<!DOCTYPE x [<!ENTITY l0 \"lol\">' + entities + ']><x>&l9;</x>')";
    attack(backend, source, &[Raises("ParseError"), Raises("MemoryError"), Interrupted, Killed]).await;
}

pub async fn pickle_bomb(backend: Under<'_>) {
    let source = "import pickle\npickle.loads(b'(' * 10 + b'I1\\n' + b'2' * 5_000_000 + b'l.')\n\
                  x = [b'x' * 10**6]\nwhile True: x.extend(pickle.loads(pickle.dumps(x)))";
    let fates = &[Raises("MemoryError"), Raises("UnpicklingError"), Raises("Error"), Interrupted, Killed];
    attack(backend, source, fates).await;
}

pub async fn dictionary_without_end(backend: Under<'_>) {
    attack(backend, "d = {}\nn = 0\nwhile True:\n    d[n] = str(n)\n    n += 1", FULL).await;
}

/// What a program freed, the next may use.
pub async fn memory_of_one_cell_is_back_in_the_next(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    let ends = &[Prints("100000000\n"), Interrupted];
    for _ in 0..5 {
        attack_in(&session, "x = bytearray(10**8)\nprint(len(x))\ndel x", ends).await;
    }
    suite::works(&session).await;
}
