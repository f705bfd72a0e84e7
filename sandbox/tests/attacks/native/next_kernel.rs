//! What a kernel leaves for the host and for the kernel that comes after it.

use std::os::unix::net::UnixListener;
use std::sync::Arc;

use glassbox_sandbox::Backend;

use super::super::{Fate::*, Target, attack_in};
use crate::suite::{prints, works};

type Under<'a> = &'a Arc<dyn Backend>;

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
