"""`input()`, `getpass` and standard input: answered by whoever watches, if somebody does."""

import builtins
import io
import sys

from . import calls, denials, imports

_HINT = "put the value into the program, or ask for it in the answer and wait for the next message"


def ask(prompt, hidden):
    """One line; `EOFError` where nobody answers."""
    try:
        line = calls.call("input", prompt=prompt, hidden=hidden)
    except calls.DoorError as error:
        denials.tell("input", "the program asked for input", _HINT)
        raise EOFError(f"{error}; {_HINT}") from None
    if line is None:
        raise EOFError("the input has ended")
    return str(line)


def input(prompt="", /):
    """Reads a line from whoever runs this program."""
    return ask(str(prompt), False)


def getpass(prompt="Password: ", stream=None, **_ignored):
    """Reads a line that is not shown."""
    return ask(str(prompt), True)


class Lines(io.TextIOBase):
    """Standard input: each line is asked for; without anybody there it is at its end."""

    encoding, errors, name = "utf-8", "strict", "<stdin>"

    def readable(self):
        return True

    def isatty(self):
        return False

    def fileno(self):
        raise io.UnsupportedOperation("fileno")

    def readline(self, size=-1):
        try:
            line = ask("", False) + "\n"
        except EOFError:
            return ""
        return line if size is None or size < 0 else line[:size]

    def read(self, size=-1):
        if size is not None and size >= 0:
            return self.readline(size)
        return "".join(iter(self.readline, ""))

    def __next__(self):
        line = self.readline()
        if not line:
            raise StopIteration
        return line


def install():
    """Replaces the ways to read, and sees to it that printing never fails for a character."""
    builtins.input = input
    sys.stdin = Lines()
    imports.after("getpass", _patch_getpass)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _patch_getpass(module):
    module.getpass = getpass
