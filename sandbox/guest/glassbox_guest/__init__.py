"""The Python side of the sandbox: runs cells, and turns what they do into calls of the host's door.

`turn()` runs the next cell, `fresh()` makes a session of a warm image its own. The protocol is in `../README.md`.
This is no wall: a program may change all of it. It is there so that programs see plain answers.
"""

__all__ = ["boot", "door", "fresh", "turn"]


def door(request):
    """The host's door itself: a request as bytes, the answer as bytes. What comes through it, the host checks."""
    import _host

    return _host.call(request)


def boot():
    """Prepares the interpreter. Once a session, or once for an image that sessions start from."""
    import builtins

    from . import console, denials, displaying, figures, interrupts, loop, session, shim, tools

    builtins.__glassbox__ = turn
    interrupts.install()
    session.prepare()
    console.install()
    denials.install()
    displaying.install()
    figures.install()
    loop.install()
    tools.install()
    shim.install()


def turn():
    """Asks the host for the cell that is to run, and runs it. Never raises; its last call is `done`."""
    from . import cells

    cells.turn()


def fresh():
    """Makes a session that starts from an image its own: chance, names of files, the environment."""
    from . import session

    session.fresh()
