"""A value in all its forms, by MIME type, as Jupyter has it."""

import sys

from . import pretty

#: Methods that give a form, and its type. Those in base64 give bytes.
_FORMS = (
    ("_repr_html_", "text/html"),
    ("_repr_markdown_", "text/markdown"),
    ("_repr_latex_", "text/latex"),
    ("_repr_svg_", "image/svg+xml"),
    ("_repr_png_", "image/png"),
    ("_repr_jpeg_", "image/jpeg"),
    ("_repr_json_", "application/json"),
)


def bundle(value):
    """The forms of a value. A form whose method raises is left out; only an interrupt leaves this."""
    data = {}
    # A class has the methods of its instances, but they are not for it.
    if not isinstance(value, type):
        data = _own(value)
        if not data:
            for method, mime in _FORMS:
                form = _ask(value, method)
                if form is not None:
                    data[mime] = form
        if not data and _is_figure(value):
            from . import figures

            data["image/png"] = figures.png(value)
    forms = {}
    for mime, form in data.items():
        form = _member(form)
        if form is not None:
            forms[str(mime)] = form
    forms.setdefault("text/plain", pretty.plain(value))
    return forms


def _own(value):
    """What `_repr_mimebundle_` gives: forms, or a pair of forms and notes on them."""
    method = getattr_safely(value, "_repr_mimebundle_")
    if method is None:
        return {}
    try:
        given = method(include=None, exclude=None)
    except TypeError:
        try:
            given = method()
        except Exception:
            return {}
    except Exception:
        return {}
    if isinstance(given, tuple) and given:
        given = given[0]
    return dict(given) if isinstance(given, dict) else {}


def _ask(value, name):
    method = getattr_safely(value, name)
    if method is None:
        return None
    try:
        form = method()
    except Exception:
        return None
    # PNG and JPEG may come with notes on them, such as their size.
    return form[0] if isinstance(form, tuple) and form else form


def getattr_safely(value, name):
    """A method of a value, or `None`; also where `__getattr__` answers to every name, or raises."""
    try:
        if getattr(value, "_glassbox_no_such_attribute_", None) is not None:
            return None
        method = getattr(value, name, None)
    except Exception:
        return None
    return method if callable(method) else None


def _member(form):
    """A form as a member of a JSON object; bytes in base64; `None` where it cannot be one."""
    if isinstance(form, str):
        return form
    if isinstance(form, (bytes, bytearray, memoryview)):
        from binascii import b2a_base64

        return b2a_base64(form, newline=False).decode("ascii")
    from .calls import encode

    try:
        encode(form)
    except (TypeError, ValueError, RecursionError):
        return None
    return form


def _is_figure(value):
    figure = sys.modules.get("matplotlib.figure")
    return figure is not None and isinstance(value, getattr(figure, "FigureBase", ()))
