"""asyncio without sockets: an event loop that sleeps and runs, in the one thread that there is."""

import sys
import time
from types import TracebackType

from . import imports

_session_loop = None


def run(coroutine):
    """Runs a cell that awaits, in the session's own loop. What the cell leaves behind when it fails is cancelled."""
    global _session_loop
    import asyncio

    loop = _session_loop
    if loop is None or loop.is_closed():
        loop = _session_loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    task = loop.create_task(coroutine)
    try:
        return loop.run_until_complete(task)
    except BaseException as error:
        if not task.done():
            # An interrupt, an exit, or a wait without end: the task would go on in the next cell that awaits.
            frames = task.get_stack()
            task.cancel()
            loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
            if isinstance(error, Deadlock) and frames:
                # Where the cell waits says more than where the loop found out.
                frame = frames[-1]
                raise error.with_traceback(TracebackType(None, frame, frame.f_lasti, frame.f_lineno)) from None
        raise


def install():
    """Waits for asyncio, which is slow to import."""
    imports.after("asyncio", _patch)


class Deadlock(RuntimeError):
    """Nothing is left that could run."""


Deadlock.__module__ = "asyncio"


class Sleeper:
    """A selector that knows no files."""

    def select(self, timeout=None):
        if timeout is None:
            raise Deadlock("the event loop waits for something that can never come: nothing is left to run")
        if timeout > 0:
            time.sleep(timeout)
        return []

    def get_map(self):
        return {}

    def close(self):
        pass


def _patch(asyncio):
    class SandboxEventLoop(asyncio.BaseEventLoop):
        """Sleeps and callbacks; no sockets, pipes, signals or processes."""

        def __init__(self):
            super().__init__()
            self._selector = Sleeper()

        def _process_events(self, events):
            pass

        def _write_to_self(self):
            pass

        def run_in_executor(self, executor, func, *args):
            # There is no other thread: it runs here, and is done at once.
            self._check_closed()
            future = self.create_future()
            try:
                future.set_result(func(*args))
            except (KeyboardInterrupt, SystemExit):
                raise
            except StopIteration as error:
                future.set_exception(RuntimeError(f"StopIteration: {error.value}"))
            except BaseException as error:
                future.set_exception(error)
            return future

        def add_signal_handler(self, sig, callback, *args):
            raise NotImplementedError("the sandbox has no signals")

    events = asyncio.events
    # Who makes loops is a policy's class until 3.15, and a function of the module beside it.
    policy = getattr(events, "_get_event_loop_policy", None) or getattr(events, "get_event_loop_policy", None)
    if policy is not None:
        type(policy())._loop_factory = SandboxEventLoop
    if not hasattr(type(policy()) if policy else None, "_loop_factory") or sys.version_info >= (3, 14):
        events.new_event_loop = asyncio.new_event_loop = lambda: SandboxEventLoop()
    for name in ("EventLoop", "SelectorEventLoop"):
        if hasattr(asyncio, name):
            setattr(asyncio, name, SandboxEventLoop)
