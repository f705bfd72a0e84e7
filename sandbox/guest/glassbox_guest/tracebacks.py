"""Exceptions as lines of text: without the guest's own frames, bounded, and never failing."""

from . import calls, denials

#: Frames kept at each end of a traceback.
FRAMES = 40
#: Exceptions of a chain or group that are looked at.
EXCEPTIONS = 50
#: Lines kept at each end of the text, and characters of a line.
LINES, WIDTH = 150, 500
#: Characters of the message.
MESSAGE = 10_000
#: What `traceback` adds to a missing module where Python runs without `site`, as it does here: no advice of ours.
NO_SITE = (
    ". Site initialization is disabled, did you forget to add the site-packages directory to sys.path"
    " or to enable your virtual environment?"
)


def report(error):
    """Sends an exception as `error`. Never raises."""
    try:
        denials.explain(error)
        name, value, lines = type(error).__name__, message(error), render(error)
    except BaseException:
        name, value = type(error).__name__, ""
        lines = [f"{name}: (too little is left to write its traceback)"]
    try:
        calls.call("error", name=name, value=value, traceback=lines)
    except BaseException:
        pass


def message(error):
    """What an exception says, bounded; also where its `__str__` raises."""
    try:
        return clip(str(error), MESSAGE)
    except Exception as second:
        return f"<its __str__ raised {type(second).__name__}>"


def clip(text, limit):
    """The first `limit` characters, and how many more there are."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def render(error):
    """The traceback's lines."""
    import traceback

    left_out = _trim(error)
    summary = traceback.TracebackException.from_exception(error, compact=True)
    if summary.stack is not None and not summary.stack:
        # An exception of no frame, such as a `SyntaxError` of the cell itself, has no calls to list.
        summary.stack = None
    try:
        text = "".join(summary.format())
    finally:
        # A `SyntaxError` is formatted with its stack; nothing else reads it.
        del summary
    text = text.replace(NO_SITE, "")
    lines = [clip(line, WIDTH) for line in text.rstrip("\n").splitlines()]
    if len(lines) > 2 * LINES:
        left = len(lines) - 2 * LINES
        lines = [*lines[:LINES], f"… ({left:,} lines left out)", *lines[-LINES:]]
    if left_out:
        lines.append(f"({left_out:,} frames in the middle are left out)")
    return lines


def _trim(error):
    """Cuts the guest's frames out of an exception and its chain, and the middle of long tracebacks.

    Gives how many frames of the middle those are.
    """
    left_out, seen, waiting = 0, set(), [error]
    while waiting and len(seen) < EXCEPTIONS:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        left_out += _trim_one(one)
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
    for rest in waiting:
        # Past the bound the chain ends.
        if rest is not None and id(rest) not in seen:
            rest.__cause__ = rest.__context__ = None
    return left_out


def _trim_one(error):
    frames = []
    part = error.__traceback__
    while part is not None:
        frames.append(part)
        part = part.tb_next
    names = [part.tb_frame.f_code.co_filename for part in frames]
    # Before the cell stand only the guest and the event loop that it runs the cell in.
    first = next((at for at, name in enumerate(names) if name.startswith("<cell ")), 0)
    kept = [part for part, name in zip(frames[first:], names[first:]) if not name.startswith("<glassbox>")]
    left_out = max(0, len(kept) - 2 * FRAMES)
    if left_out:
        kept = kept[:FRAMES] + kept[-FRAMES:]
    for part, following in zip(kept, [*kept[1:], None]):
        part.tb_next = following
    error.__traceback__ = kept[0] if kept else None
    return left_out
