"""`KeyboardInterrupt` reaches the program and nobody else.

The host interrupts a cell by setting what `PyErr_SetInterrupt` sets. Python then calls the handler between two
instructions, wherever that is. In the middle of a call to the host, or between the cell and its `done`, an exception
would break the protocol; there it only leaves a mark.
"""

# Not `signal`: its functions look up enumerations, which takes longer than all else that begins a turn.
import _signal


class _State:
    #: Whether an interrupt is raised now. A plain store to it cannot be interrupted.
    allowed = False
    #: Whether one came while it was not allowed.
    pending = False


state = _State()


def _handler(signum, frame):
    if state.allowed:
        raise KeyboardInterrupt
    state.pending = True


def install():
    """Takes the signal; at the start of each turn, because programs may take it too."""
    try:
        _signal.signal(_signal.SIGINT, _handler)
    except (AttributeError, OSError, ValueError):
        pass  # No signals here: then no interrupts either.


class held:
    """A part of the guest that must not be left half done. What came meanwhile is raised at its end."""

    __slots__ = ("before",)

    def __enter__(self):
        self.before = state.allowed
        state.allowed = False

    def __exit__(self, *exception):
        if self.before and state.pending:
            state.pending = False
            state.allowed = True
            raise KeyboardInterrupt
        state.allowed = self.before
