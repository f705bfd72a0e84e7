//! What is not the session's to know, and whom it may not reach.

use std::sync::Arc;

use glassbox_sandbox::{Backend, Execution, Limits, SnapshotSupport};

use super::{Fate::*, attack, load};
use crate::suite::{prints, run};

type Under<'a> = &'a Arc<dyn Backend>;

/// What takes long to load; not every environment has it.
const NUMPY: &str = "try: import numpy\nexcept ImportError: pass";

pub async fn environment_of_the_host(backend: Under<'_>) {
    // Cargo sets this one for every test.
    assert!(std::env::var("CARGO_PKG_NAME").is_ok());
    let source =
        "import os\nprint([k for k in os.environ if k.startswith('CARGO')], os.environ.get('HOME') == '/root')";
    let ran = attack(backend, source, &[Ends]).await;
    assert!(ran.stdout().starts_with("[] "), "{}", ran.stdout());
}

pub async fn connection_to_the_host(backend: Under<'_>) {
    let source =
        "import socket\ns = socket.socket()\ns.settimeout(0.5)\ns.connect(('127.0.0.1', PORT))\ns.send(b'hello')";
    attack(backend, source, &[Raises("")]).await;
    let source =
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.sendto(b'x', ('127.0.0.1', PORT))";
    attack(backend, source, &[Raises(""), Ends]).await;
}

pub async fn name_looked_up(backend: Under<'_>) {
    attack(backend, "import socket\nprint(socket.getaddrinfo('localhost.example', 80))", &[Raises("")]).await;
}

pub async fn web_request(backend: Under<'_>) {
    let source = "import urllib.request\nurllib.request.urlopen(f'http://127.0.0.1:{PORT}/', timeout=0.5)";
    attack(backend, source, &[Raises(""), Interrupted]).await;
    let source =
        "import asyncio\nreader, writer = await asyncio.wait_for(asyncio.open_connection('127.0.0.1', PORT), 0.5)";
    attack(backend, source, &[Raises(""), Interrupted]).await;
}

pub async fn unix_socket(backend: Under<'_>) {
    let source = "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('/var/run/docker.sock')";
    attack(backend, source, &[Raises("")]).await;
    let source = "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('\\0glassbox-nobody')";
    attack(backend, source, &[Raises("")]).await;
}

pub async fn local_server(backend: Under<'_>) {
    let source = format!(
        "import socket\ns = socket.socket()\ns.bind(('0.0.0.0', {port}))\ns.listen()\nimport time\ntime.sleep(0.2)",
        port = 47_113
    );
    attack(backend, &source, &[Raises(""), Ends]).await;
    // Whatever it bound, nobody outside can reach it.
    assert!(std::net::TcpStream::connect(("127.0.0.1", 47_113)).is_err());
}

pub async fn other_sessions_files(backend: Under<'_>) {
    let (one, two) = (backend.open().await.unwrap(), backend.open().await.unwrap());
    run(&one, "open('mine.txt', 'w').write('of-the-first')\nopen('/tmp/mine.txt', 'w').write('of-the-first')").await;
    let source = "import os\nfor top in ['/tmp', '/mnt/data', '.', '/mnt', '/', '/tmp/..', '/mnt/data/..']:\n    for folder, _, names in os.walk(top):\n\
                  \x20       if folder.startswith(('/proc', '/sys', '/usr', '/lib')): continue\n\
                  \x20       for name in names:\n            if name == 'mine.txt': print(folder, open(f'{folder}/{name}').read())\nprint('end')";
    assert_eq!(prints(&two, source).await, "end\n");
}

pub async fn other_sessions_memory(backend: Under<'_>) {
    let one = backend.open().await.unwrap();
    run(&one, "secret = 'of-the-' + 'first-session'\nkept = [secret * 1000 for _ in range(1000)]").await;
    one.close().await;
    // A new session's memory may be where the first one's was. What is not initialised must be empty.
    let two = backend.open().await.unwrap();
    load(&two, NUMPY, Execution::Ok).await;
    let source = "wanted = 'of-the-' + 'first-session'\nfound = 0\ntry:\n    import numpy as np\n    for _ in range(20):\n        found += (wanted.encode() in np.empty(1_000_000, dtype='u1').tobytes())\n\
                  except ImportError: pass\nimport gc\nfound += any(isinstance(o, str) and wanted in o for o in gc.get_objects() if o is not wanted)\nprint(found)";
    assert_eq!(prints(&two, source).await, "0\n");
}

/// Sessions of one warm image begin as twins; what they draw must differ.
pub async fn randomness_shared_by_sessions(backend: Under<'_>) {
    let source = "import os, random, secrets, tempfile, uuid\n\
                  print(random.random(), uuid.uuid4(), secrets.token_hex(8), os.urandom(8).hex(), next(tempfile._get_candidate_names()))\n\
                  try:\n    import numpy as np\n    print(np.random.rand(), np.random.default_rng().random())\nexcept ImportError: print('no', 'numpy')";
    let (one, two) = (backend.open().await.unwrap(), backend.open().await.unwrap());
    for session in [&one, &two] {
        load(session, NUMPY, Execution::Ok).await;
        load(session, "import random, secrets, tempfile, uuid", Execution::Ok).await;
    }
    let (one, two) = (prints(&one, source).await, prints(&two, source).await);
    for (a, b) in one.split_whitespace().zip(two.split_whitespace()) {
        assert!(a != b || a == "no" || a == "numpy", "both drew {a}");
    }
}

pub async fn secret_after_a_restore(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    if session.capabilities().snapshot == SnapshotSupport::None {
        return;
    }
    run(&session, "x = 1").await;
    let before = session.snapshot().await.unwrap();
    run(&session, "secret = 'typed-' + 'afterwards'\nopen('s.txt', 'w').write(secret)").await;
    session.restore(&before).await.unwrap();
    let source = "import gc, os\nprint(os.listdir('.'), 'secret' in globals(), any(o == 'typed-' + 'afterwards' for o in gc.get_objects() if isinstance(o, str)))";
    assert_eq!(prints(&session, source).await, "[] False False\n");
    assert_eq!(session.limits().host_calls, Limits::default().host_calls);
}
