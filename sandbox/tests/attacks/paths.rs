//! Ways to files that are not the session's.

use std::sync::Arc;

use glassbox_sandbox::{Backend, InterpreterError};

use super::{Fate::*, Target, attack, attack_in};
use crate::suite;

type Under<'a> = &'a Arc<dyn Backend>;

pub async fn absolute_path(backend: Under<'_>) {
    attack(backend, "print(open(FILE).read())", &[Raises("Error")]).await;
    attack(backend, "open(FOLDER + '/planted', 'w').write('x')", &[Raises("Error")]).await;
    attack(backend, "import os\nprint(os.listdir(FOLDER))", &[Raises("Error")]).await;
}

pub async fn dotted_path(backend: Under<'_>) {
    for start in ["/tmp", "/mnt/data", "."] {
        let source = format!("print(open('{start}' + '/..' * 12 + FILE).read())");
        attack(backend, &source, &[Raises("Error")]).await;
    }
}

/// Dots that some file systems or libraries take for `..` after normalisation.
pub async fn dots_in_other_scripts(backend: Under<'_>) {
    let source = "import unicodedata\n\
        for dots in ['\\uff0e\\uff0e', '\\u2024\\u2024', '\\u2025', '\\u00b7\\u00b7', '..\\u200b', '%2e%2e', '..\\\\']:\n\
        \x20   for form in [dots, unicodedata.normalize('NFKC', dots)]:\n\
        \x20       try: print(open('/tmp/' + (form + '/') * 12 + FILE).read())\n\
        \x20       except (OSError, ValueError) as e: pass\nprint('end')";
    attack(backend, source, &[Prints("end\n")]).await;
}

pub async fn link_to_a_host_file(backend: Under<'_>) {
    attack(backend, "import os\nos.symlink(FILE, 'link')\nprint(open('link').read())", &[Raises("Error")]).await;
}

pub async fn link_up_and_out(backend: Under<'_>) {
    let source = "import os\nos.symlink('../' * 12 + FILE[1:], 'link')\nprint(open('link').read())";
    attack(backend, source, &[Raises("Error")]).await;
    let source = "import os\nos.symlink('..', 'a')\nos.symlink('a/..', 'b')\nprint(open('b/a/b/a' + FILE).read())";
    attack(backend, source, &[Raises("Error")]).await;
}

pub async fn hard_link_out(backend: Under<'_>) {
    attack(backend, "import os\nos.link(FILE, 'link')\nprint(open('link').read())", &[Raises("Error")]).await;
}

pub async fn folder_descriptor_walked_up(backend: Under<'_>) {
    let source = "import os\nfd = os.open('/tmp', os.O_RDONLY)\nfor _ in range(12):\n    fd = os.open('..', os.O_RDONLY, dir_fd=fd)\n\
                  print(os.read(os.open(FILE[1:], os.O_RDONLY, dir_fd=fd), 99))";
    attack(backend, source, &[Raises("Error")]).await;
}

pub async fn open_descriptors_walked_up(backend: Under<'_>) {
    let source = "import os\nseen = 0\nfor fd in range(64):\n    for path in ['../' * 12 + FILE[1:], FILE, FILE[1:]]:\n\
                  \x20       try: print(os.read(os.open(path, os.O_RDONLY, dir_fd=fd), 99))\n\
                  \x20       except (OSError, NotImplementedError): pass\nprint('end')";
    attack(backend, source, &[Prints("end\n")]).await;
}

pub async fn working_folder_changed(backend: Under<'_>) {
    let source = "import os\nfor path in ['/', '/..', '/tmp/../..', '/mnt', FOLDER]:\n    try:\n        os.chdir(path)\n\
                  \x20       print(open(FILE.lstrip('/')).read())\n    except OSError: pass\nos.chdir('/tmp')\nprint('end')";
    attack(backend, source, &[Prints("end\n")]).await;
}

pub async fn proc_and_dev(backend: Under<'_>) {
    let source = "paths = ['/proc/self/root' + FILE, '/proc/1/root' + FILE, '/proc/self/cwd/../../../../..' + FILE, '/dev/mem', '/dev/kmem',\n\
                  '/dev/fd/../../..' + FILE, '/proc/kcore', '/dev/sda', '/dev/vda', '/proc/1/environ', '/sys/kernel/notes']\n\
                  for path in paths:\n    try: print(path, open(path, 'rb').read(64))\n    except OSError: pass\nprint('end')";
    let ran = attack(backend, source, &[Ends]).await;
    assert_eq!(ran.stdout(), "end\n");
}

pub async fn library_overwritten(backend: Under<'_>) {
    let source = "import os, json\nfor path in [json.__file__, os.path.dirname(json.__file__) + '/evil.py', '/usr/local/lib/evil.py']:\n\
                  \x20   try:\n        open(path, 'w').write('evil')\n        print('written', path)\n    except OSError: pass\nprint('end')";
    attack(backend, source, &[Prints("end\n")]).await;
}

pub async fn module_planted_for_the_next_session(backend: Under<'_>) {
    let source = "import os\nfor folder in ['.', '/tmp', os.path.expanduser('~')]:\n    for name in ['json.py', 'sitecustomize.py', 'glassbox_guest.py']:\n\
                  \x20       try: open(f'{folder}/{name}', 'w').write('print(\"planted\")')\n        except OSError: pass\nprint('end')";
    attack(backend, source, &[Prints("end\n")]).await;
    let session = backend.open().await.unwrap();
    assert_eq!(suite::prints(&session, "import json\nprint(json.dumps(1))").await, "1\n");
}

pub async fn null_byte_in_a_path(backend: Under<'_>) {
    attack(backend, "open('/tmp/a\\0' + FILE)", &[Raises("null")]).await;
}

pub async fn very_long_path(backend: Under<'_>) {
    attack(backend, "open('/tmp/' + 'a/' * 1_000_000 + 'b', 'w')", &[Raises("Error")]).await;
}

/// Between two looks of the host the program may have put a link where a folder was.
pub async fn folder_swapped_for_a_link_before_the_host_reads(backend: Under<'_>) {
    let session = backend.open().await.unwrap();
    let target = Target::new();
    session.put_file("/mnt/data/d/secret.txt", b"mine").await.unwrap();
    session.list_files().await.unwrap();
    let source = "import os, shutil\nshutil.rmtree('d')\ntry: os.symlink(FOLDER, 'd')\nexcept OSError: os.mkdir('d')";
    attack_in(&session, source, &[Ends]).await;
    let folder = target.file();
    let folder = folder.parent().unwrap().display().to_string();
    let source = format!(
        "import os\ntry:\n    os.unlink('d')\nexcept OSError: pass\ntry: os.symlink({folder:?}, 'd')\nexcept OSError: pass"
    );
    suite::run(&session, &source).await;
    let got = session.get_file("/mnt/data/d/secret.txt").await;
    assert!(got.is_err(), "the host followed the link: {got:?}");
    let put = session.put_file("/mnt/data/d/planted.txt", b"x").await;
    if put.is_ok() {
        assert_eq!(session.get_file("/mnt/data/d/planted.txt").await.unwrap(), b"x");
    } else {
        assert!(!matches!(put, Err(InterpreterError::Closed)));
    }
    assert_eq!(std::fs::read_dir(target.file().parent().unwrap()).unwrap().count(), 1);
    suite::works(&session).await;
}

pub async fn rename_out(backend: Under<'_>) {
    let source = "import os\nopen('f', 'w').write('x')\nos.rename('f', FOLDER + '/planted')";
    attack(backend, source, &[Raises("Error")]).await;
    attack(backend, "import os\nos.rename(FILE, 'taken')\nprint(open('taken').read())", &[Raises("Error")]).await;
}

pub async fn archive_that_extracts_outside(backend: Under<'_>) {
    let source = "import io, tarfile\nb = io.BytesIO()\nt = tarfile.open(fileobj=b, mode='w')\n\
                  for name in ['../' * 12 + FOLDER[1:] + '/planted', FOLDER + '/planted']:\n    i = tarfile.TarInfo(name)\n    i.size = 1\n    t.addfile(i, io.BytesIO(b'x'))\n\
                  t.close()\nb.seek(0)\nfor member in tarfile.open(fileobj=b):\n\
                  \x20   try: tarfile.open(fileobj=io.BytesIO(b.getvalue())).extract(member, '/tmp', filter='fully_trusted')\n    except Exception: pass\nprint('end')";
    attack(backend, source, &[Prints("end\n")]).await;
}

/// Loaders that take a path as it is given.
pub async fn importlib_tricks(backend: Under<'_>) {
    let source = "import importlib, importlib.machinery as machinery, importlib.util as util, sys, zipimport\n\
                  open('evil.so', 'wb').write(b'\\x7fELF' + bytes(500))\nworked = []\n\
                  def native(path): util.module_from_spec(util.spec_from_file_location('evil', path, loader=machinery.ExtensionFileLoader('evil', path)))\n\
                  def planted():\n    sys.path.insert(0, FOLDER)\n    importlib.invalidate_caches()\n    machinery.PathFinder.find_spec('secret', [FOLDER]).loader\n\
                  for name, trick in {'native': lambda: native('evil.so'), 'host native': lambda: native(FILE), 'source': lambda: machinery.SourceFileLoader('secret', FILE).get_data(FILE),\n\
                  \x20       'code': lambda: machinery.SourcelessFileLoader('secret', FILE).get_code('secret'), 'zip': lambda: zipimport.zipimporter(FILE), 'path': planted}.items():\n\
                  \x20   try: trick()\n    except Exception: continue\n    worked.append(name)\nprint(worked)";
    attack(backend, source, &[Prints("[]\n")]).await;
}
