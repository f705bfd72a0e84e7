"""`IPython.display` for programs that were written for notebooks, where IPython itself is not there."""

import sys
from importlib.machinery import ModuleSpec

from . import displaying


class _Text:
    """Text of one MIME type."""

    mime = "text/plain"

    def __init__(self, data=None, url=None, filename=None, metadata=None):
        if data is None and filename is not None:
            with open(filename, encoding="utf-8") as file:
                data = file.read()
        if data is None and url is not None:
            from . import denials

            denials._refusing("network", "the sandbox has no network", denials._NETWORK)()
        self.data = data

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {self.mime: self.data, "text/plain": repr(self)}

    def __repr__(self):
        return f"<{type(self).__name__}>"


class HTML(_Text):
    """HTML."""

    mime = "text/html"


class Markdown(_Text):
    """Markdown."""

    mime = "text/markdown"


class Latex(_Text):
    """LaTeX."""

    mime = "text/latex"


class Math(Latex):
    """A formula in LaTeX, without its dollars."""

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {self.mime: f"$\\displaystyle {str(self.data).strip('$')}$", "text/plain": repr(self)}


class SVG(_Text):
    """A picture in SVG."""

    mime = "image/svg+xml"


class Pretty(_Text):
    """Plain text."""

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": str(self.data)}


class JSON(_Text):
    """A value as JSON."""

    mime = "application/json"


class Image:
    """A picture in PNG, JPEG, GIF, WebP or SVG, from bytes or a file."""

    _STARTS = ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"), (b"GIF8", "image/gif"), (b"RIFF", "image/webp"))

    def __init__(
        self, data=None, url=None, filename=None, format=None, embed=None, width=None, height=None, **_ignored
    ):
        if isinstance(data, str) and not data.startswith(("http:", "https:", "<")):
            data, filename = None, data
        if data is None and filename is not None:
            with open(filename, "rb") as file:
                data = file.read()
        if not isinstance(data, (bytes, bytearray)):
            from . import denials

            denials._refusing("network", "the sandbox has no network", denials._NETWORK)()
        self.data, self.width, self.height = bytes(data), width, height

    def _repr_mimebundle_(self, include=None, exclude=None):
        mime = next((mime for start, mime in self._STARTS if self.data.startswith(start)), None)
        if mime is None:
            return {"image/svg+xml": self.data.decode("utf-8", "replace"), "text/plain": repr(self)}
        return {mime: self.data, "text/plain": repr(self)}

    def __repr__(self):
        return f"<Image {len(self.data):,} bytes>"


_NAMES = {
    "display": displaying.display, "update_display": displaying.update_display,
    "clear_output": displaying.clear_output, "DisplayHandle": displaying.DisplayHandle, "HTML": HTML,
    "Markdown": Markdown, "Latex": Latex, "Math": Math, "SVG": SVG, "Pretty": Pretty, "JSON": JSON, "Image": Image,
}  # fmt: skip


class _Finder:
    """Asked last: where IPython is installed, it comes first."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in ("IPython", "IPython.display", "IPython.core", "IPython.core.display"):
            return ModuleSpec(name, _Finder, origin="<glassbox>", is_package=name in ("IPython", "IPython.core"))
        return None

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        if module.__name__.endswith("display"):
            module.__dict__.update(_NAMES)
        elif module.__name__ == "IPython":
            module.version_info, module.__version__ = (9, 0, 0), "9.0.0"
            module.get_ipython = lambda: None
            module.display = sys.modules.get("IPython.display") or __import__("IPython.display").display


def install():
    """Joins the finders, as the last."""
    sys.meta_path.append(_Finder)
