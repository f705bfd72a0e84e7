"""What a sandbox does not have: other processes, threads, the network. A clear exception each, a word to the host."""

import errno
import sys

from . import calls, imports

_told = set()


class SandboxDenied(PermissionError, RuntimeError):
    """The sandbox does not have this. `hint` says what to do instead.

    It is what programs expect in such places: an `OSError` for the network and processes, a `RuntimeError` for threads.
    """

    def __init__(self, kind, message, hint):
        super().__init__(f"{message}; {hint}")
        self.kind, self.reason, self.hint = kind, message, hint

    def __reduce__(self):
        return type(self), (self.kind, self.reason, self.hint)


SandboxDenied.__module__ = "builtins"

_PROCESS = "work in this Python: files by os, pathlib and shutil, text by re, archives by zipfile and tarfile"
_THREAD = "call the function directly, or use asyncio: one thread is all there is"
_NETWORK = "use the files in /mnt/data and the tools offered as functions; what is not there must be asked for"


def begin_cell():
    """Every kind may be told again."""
    _told.clear()


def tell(kind, message, hint):
    """Tells the host of a refusal, once a kind and cell."""
    if kind in _told:
        return
    _told.add(kind)
    try:
        calls.call("denied", kind=kind, message=message, hint=hint)
    except calls.DoorError:
        pass


def _refusing(kind, message, hint, quietly=False):
    """A function that refuses, whatever it is called with. `quietly`: the host hears of it where nobody catches it."""

    def refuse(*args, **kwargs):
        if not quietly:
            tell(kind, message, hint)
        raise SandboxDenied(kind, message, hint)

    return refuse


def _replace(owner, names, refuse):
    for name in names:
        if hasattr(owner, name):
            try:
                setattr(owner, name, refuse)
            except (AttributeError, TypeError):
                pass


def install():
    """Replaces what cannot work, in the modules that are there and in those that come."""
    for name, action in _AFTER.items():
        imports.after(name, action)


def _os(os):
    process = _refusing("process", "the sandbox has no other processes", _PROCESS)
    names = [name for name in dir(os) if name.startswith(("exec", "spawn", "posix_spawn")) and name.islower()]
    for name in (*names, "system", "popen", "kill"):
        setattr(os, name, process)
    if not hasattr(os, "fork"):
        os.__getattr__ = _without_fork


def _without_fork(name):
    """Explains `os.fork` without making one: where it is found, `random`, `asyncio` and others ask for its hooks."""
    message = f"module 'os' has no attribute {name!r}"
    if name in ("fork", "forkpty"):
        message += f": the sandbox has no other processes; {_PROCESS}"
    raise AttributeError(message, name=name)


def _subprocess(subprocess):
    process = _refusing("process", "the sandbox has no other processes", _PROCESS)
    _replace(subprocess.Popen, ["__init__"], process)
    # Its `__del__` reads what `__init__` sets.
    subprocess.Popen.__del__ = lambda self: None


def _threading(threading):
    # Libraries try threads for comfort, such as a warning that comes late, and go on without.
    thread = _refusing("process", "the sandbox has no threads", _THREAD, quietly=True)
    _replace(threading.Thread, ["start"], thread)


def _thread(module):
    thread = _refusing("process", "the sandbox has no threads", _THREAD, quietly=True)
    _replace(module, ["start_new_thread", "start_new"], thread)


def _multiprocessing(multiprocessing):
    hint = "use a plain loop or map(): there is one process"
    process = _refusing("process", "the sandbox has no other processes", hint)
    names = ["Pool", "Manager", "Queue", "SimpleQueue", "JoinableQueue", "Pipe", "Lock", "RLock", "Semaphore", "Event"]
    names += ["BoundedSemaphore", "Condition", "Barrier", "Value", "Array"]
    _replace(multiprocessing, names, process)


def _multiprocessing_process(module):
    hint = "call the function directly: there is one process"
    _replace(module.BaseProcess, ["start"], _refusing("process", "the sandbox has no other processes", hint))


def _process_pool(module):
    process = _refusing("process", "the sandbox has no other processes", "use a plain loop or map()")
    _replace(module.ProcessPoolExecutor, ["__init__"], process)


def _network(*names, of=None):
    def patch(module):
        refuse = _refusing("network", "the sandbox has no network", _NETWORK)
        _replace(getattr(module, of) if of else module, names, refuse)

    return patch


def _socket(module):
    refuse = _refusing("network", "the sandbox has no network", _NETWORK)
    names = ["create_connection", "create_server", "getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"]
    _replace(module, [*names, "getfqdn", "socketpair", "fromfd"], refuse)
    _replace(module.socket, ["__init__"], refuse)


def _urllib(module):
    refuse = _refusing("network", "the sandbox has no network", _NETWORK)
    opened = module.OpenerDirector.open

    def open(self, fullurl, *args, **kwargs):
        address = fullurl if isinstance(fullurl, str) else getattr(fullurl, "full_url", "")
        if address.partition(":")[0].lower() in ("data", "file"):
            return opened(self, fullurl, *args, **kwargs)
        return refuse()

    module.OpenerDirector.open = open


_AFTER = {
    "os": _os,
    "subprocess": _subprocess,
    "threading": _threading,
    "_thread": _thread,
    "multiprocessing": _multiprocessing,
    "multiprocessing.process": _multiprocessing_process,
    "concurrent.futures.process": _process_pool,
    "socket": _socket,
    "urllib.request": _urllib,
    "http.client": _network("connect", of="HTTPConnection"),
    "requests.sessions": _network("send", of="Session"),
    "urllib3.connectionpool": _network("urlopen", of="HTTPConnectionPool"),
    "httpx": _network("send", of="Client"),
    "aiohttp": _network("_request", of="ClientSession"),
    "ftplib": _network("connect", of="FTP"),
    "smtplib": _network("connect", of="SMTP"),
}

_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.EBADF, getattr(errno, "ENOTCAPABLE", 76)}
_FULL = {errno.ENOSPC, errno.EDQUOT, getattr(errno, "EFBIG", 27)}


def explain(error):
    """Adds to an exception that nobody caught what a sandbox has to do with it, and tells the host where it refused."""
    note = None
    if isinstance(error, SandboxDenied):
        tell(error.kind, error.reason, error.hint)
    elif isinstance(error, ModuleNotFoundError) and error.name:
        note = "Nothing can be installed in the sandbox; use what is there, or write it in plain Python."
    elif isinstance(error, OSError) and error.errno in _FULL:
        note = "The session's files may take no more room; remove some (os.remove), or keep data in variables."
    elif isinstance(error, OSError) and error.errno in _REFUSED and _outside(error.filename):
        note = "A program reaches the files below /mnt/data and /tmp only; nothing else of the machine is there."
        tell("path", f"{type(error).__name__} at {str(error.filename)[:200]}", "use paths below /mnt/data or /tmp")
    if note is not None and note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def _outside(path):
    """Whether a path is none of the session's folders, by its letters."""
    import os

    if not isinstance(path, (str, bytes)):
        return False
    path = os.path.normpath(os.path.join(os.getcwd(), os.fsdecode(path)))
    return not path.startswith(("/mnt/data", "/tmp"))
