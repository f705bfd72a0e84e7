"""`display()` and its relatives, and the value of a cell's last expression."""

import builtins

from . import bundles, calls

_counter = 0


class DisplayHandle:
    """Something displayed that can be given new forms."""

    def __init__(self, display_id=None):
        self.display_id = display_id if isinstance(display_id, str) else _new_id()

    def display(self, obj, **options):
        """Displays something under this name."""
        display(obj, display_id=self.display_id, **options)

    def update(self, obj, **options):
        """Puts something in the place of what was displayed under this name."""
        update_display(obj, display_id=self.display_id, **options)

    def __repr__(self):
        return f"<DisplayHandle display_id={self.display_id}>"


def display(*objs, display_id=None, raw=False, clear=False, update=False, include=None, exclude=None, **_ignored):
    """Shows values in the richest form that they have: pictures, tables, formulas.

    With `display_id` (a name, or `True` for a new one) what is shown can be updated later, by `update_display` or by
    the handle that this gives. `raw` takes dictionaries from MIME types to forms as they are.
    """
    if clear:
        clear_output()
    handle = None
    if display_id is not None and display_id is not False:
        handle = DisplayHandle(display_id)
    if update and handle is None:
        raise TypeError("display(update=True) needs the display_id of what it updates")
    for value in objs:
        if not raw and handle is None and _displays_itself(value):
            continue
        data = {str(mime): form for mime, form in value.items()} if raw else bundles.bundle(value)
        data = _choose(data, include, exclude)
        calls.call("display", data=data, id=handle and handle.display_id, update=bool(update))
    return handle


def update_display(obj, *, display_id, **options):
    """Puts something in the place of what was displayed under `display_id`."""
    display(obj, display_id=display_id, update=True, **options)


def clear_output(wait=False):
    """Removes what this cell has shown so far; with `wait`, only when the next output comes."""
    calls.call("clear", wait=bool(wait))


def result(value):
    """Shows the value of a cell's last expression."""
    if _displays_itself(value):
        return
    data = bundles.bundle(value)
    if "image/png" in data:
        from . import figures

        # An open figure that is shown as a value is not shown again as an open one.
        figures.close(value)
    try:
        calls.call("result", data=data)
    except calls.DoorError as error:
        if error.kind != "too_large":
            raise
        # The plain text is bounded; it goes through.
        calls.call("result", data={"text/plain": data["text/plain"]})


def install():
    """Puts `display` where every program finds it."""
    builtins.display = display


def _displays_itself(value):
    """Whether a value has its own way to be displayed, and took it."""
    if isinstance(value, type):
        return False
    method = bundles.getattr_safely(value, "_ipython_display_")
    if method is None:
        return False
    try:
        method()
    except Exception:
        return False
    return True


def _choose(data, include, exclude):
    """The forms that are asked for."""
    if include is not None:
        data = {mime: form for mime, form in data.items() if mime in include}
    if exclude is not None:
        data = {mime: form for mime, form in data.items() if mime not in exclude}
    return data


def _new_id():
    global _counter
    _counter += 1
    return f"display-{_counter}"
