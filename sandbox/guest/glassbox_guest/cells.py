"""A turn: asks for a cell, runs it in `__main__`, says how it ended."""

import ast
import builtins
import linecache
import sys
from collections import deque

from . import calls, denials, displaying, figures, interrupts, tools, tracebacks

#: Cells whose source is kept for tracebacks and `inspect`.
KEPT_SOURCES = 200
#: Results kept in `Out`.
KEPT_RESULTS = 20

#: The question of a turn.
_CELL = b'{"op":"cell"}'
#: Last calls of a turn, made beforehand: they must go out when no memory is left.
_DONE = {status: b'{"op":"done","status":"%s"}' % status.encode() for status in ("ok", "error", "interrupted")}
_DONE["exit"] = b'{"op":"done","status":"exit","code":1}'

_main = sys.modules["__main__"].__dict__
#: The names of the cells whose source is kept, oldest first.
_kept = deque()
#: The last results that were put into `__main__`, by name.
_history = {"_": None, "__": None, "___": None}


def turn():
    """Runs the next cell. Its last call is `done`, whatever the program did."""
    status, code = "error", None
    try:
        interrupts.state.allowed = interrupts.state.pending = False
        interrupts.install()
        denials.begin_cell()
        _mend_streams()
        cell = calls.exchange(_CELL)
        if cell.get("tools") is not None:
            tools.offer(cell["tools"], _main)
        status, code = _run(cell["source"], f"<cell {cell['number']}>", cell["number"])
    except BaseException as error:
        interrupts.state.allowed = False
        tracebacks.report(error)
    _done(status, code)


def _done(status, code):
    try:
        request = _DONE[status]
        if code is not None:
            request = calls.encode({"op": "done", "status": status, "code": code})
        calls.exchange(request)
    except BaseException:  # Nothing is left that could be told.
        pass


def _run(source, name, number):
    """Runs one cell; gives its status, and the code of an exit."""
    try:
        # From here an interrupt is the program's. The stores that end this stand first in each branch, where
        # nothing can come between.
        interrupts.state.allowed = True
        _execute(source, name, number)
        interrupts.state.allowed = False
        ended = "ok", None
    except SystemExit as error:
        interrupts.state.allowed = False
        ended = "exit", _exit_code(error)
    except KeyboardInterrupt as error:
        interrupts.state.allowed = False
        tracebacks.report(error)
        ended = "interrupted", None
    except BaseException as error:
        interrupts.state.allowed = False
        tracebacks.report(error)
        ended = "error", None
    if ended[0] == "error":
        # What is drawn is shown also where the cell failed later.
        try:
            interrupts.state.allowed = True
            figures.show_open()
            interrupts.state.allowed = False
        except BaseException:
            interrupts.state.allowed = False
    return ended


def _execute(source, name, number):
    tree = _parse(source, name)
    shown = None
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not _is_silenced(source, tree.body[-1]):
        shown = ast.Expression(tree.body.pop().value)
    if tree.body:
        _evaluate(compile(tree, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True))
    if shown is not None:
        value = _evaluate(compile(shown, name, "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True))
        if value is not None:
            _remember(value, number)
            displaying.result(value)
    figures.show_open()


def _parse(source, name):
    _keep_source(source, name)
    try:
        return compile(source, name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        from . import magics

        tree = magics.parse(source, name, error)
        if tree is None:
            raise
        return tree


def _evaluate(code):
    value = eval(code, _main)
    # 0x80: `inspect.CO_COROUTINE`; the module itself costs too much to import for one number.
    if code.co_flags & 0x80:
        from . import loop

        value = loop.run(value)
    return value


def _is_silenced(source, expression):
    """Whether the last expression ends in `;`, as notebooks silence it."""
    lines = source.encode("utf-8", "replace").splitlines()
    rest = lines[expression.end_lineno - 1 : expression.end_lineno]
    return bool(rest) and rest[0][expression.end_col_offset :].lstrip().startswith(b";")


def _keep_source(source, name):
    lines = source.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    linecache.cache[name] = (len(source), None, lines, name)
    _kept.append(name)
    while len(_kept) > KEPT_SOURCES:
        linecache.cache.pop(_kept.popleft(), None)


def _remember(value, number):
    """Sets `_`, `__`, `___` and `Out`, but for those that the program has taken for itself."""
    results = _main.setdefault("Out", {})
    if type(results) is dict:
        results[number] = value
        for old in list(results)[:-KEPT_RESULTS]:
            del results[old]
    for name, new in (("___", _history["__"]), ("__", _history["_"]), ("_", value)):
        if _main.get(name) is _history[name]:
            _main[name] = new
            _history[name] = new


def _exit_code(error):
    """The code of an exit, as the operating system would have it; another one than 0 is told as an error."""
    code = error.code
    if code is None or code is False:
        return 0
    if isinstance(code, int):
        number = int(code) & 0xFF
    else:
        number = 1
    if number:
        tracebacks.report(error)
    return number


def _mend_streams():
    """A stream that a program closed or took away is there again in the next cell."""
    for name in ("stdout", "stderr"):
        stream, original = getattr(sys, name, None), getattr(sys, f"__{name}__", None)
        if original is not None and (stream is None or getattr(stream, "closed", False)):
            setattr(sys, name, original)


def _exit(code=None):
    """Ends the session."""
    raise SystemExit(code)


# Those of `site` close standard input first.
_exit.__name__ = _exit.__qualname__ = "exit"
builtins.exit = builtins.quit = _exit
