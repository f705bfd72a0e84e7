"""What becomes the component of the small tier: CPython, its library, and `glassbox_guest`, started.

`componentize-py` imports this once, and what is there then is the memory that every session starts with. Nothing can be
read from the builder's disk later; so the library goes in as code, and is imported from memory.
"""

import marshal
import os
import sys
import types
import zlib
from importlib.machinery import ModuleSpec

import wit_world

#: Where the builder has CPython's library.
LIBRARY = "/python"
#: Not for programs: windows, terminals, installers, tests.
LEFT_OUT = {
    "_pyrepl", "config-3.14-wasm32-wasi", "curses", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages",
    "test", "tkinter", "turtle", "turtledemo", "venv",
}  # fmt: skip
#: Imported beforehand: what most programs use, and what is slow to import.
WARM = (
    "asyncio", "base64", "bisect", "collections", "contextlib", "copy", "csv", "dataclasses", "datetime", "decimal",
    "enum", "fractions", "functools", "hashlib", "heapq", "inspect", "io", "itertools", "json", "math", "operator",
    "pathlib", "pickle", "pprint", "random", "re", "statistics", "string", "textwrap", "time", "traceback", "typing",
    "urllib.parse", "uuid",
)  # fmt: skip


class Library:
    """Imports the library from memory."""

    #: Name to whether it is a package, and its code.
    modules = {}

    @classmethod
    def read(cls, folder, prefix=""):
        """Takes in what lies in a folder."""
        for entry in sorted(os.listdir(folder)):
            path, (stem, suffix) = f"{folder}/{entry}", os.path.splitext(entry)
            if stem in LEFT_OUT:
                continue
            if os.path.isdir(path):
                if os.path.exists(f"{path}/__init__.py"):
                    cls.add(prefix + entry, f"{path}/__init__.py", True)
                    cls.read(path, f"{prefix}{entry}.")
            elif suffix == ".py" and stem != "__init__":
                cls.add(prefix + stem, path, False)

    @classmethod
    def add(cls, name, path, is_package):
        """Takes in one module."""
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True, optimize=2 if name == "pydoc" else -1)
        cls.modules[name] = is_package, zlib.compress(marshal.dumps(code), 6)

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in cls.modules:
            return None
        return ModuleSpec(name, cls, origin="library", is_package=cls.modules[name][0])

    @staticmethod
    def create_module(spec):
        return None

    @classmethod
    def exec_module(cls, module):
        exec(cls.get_code(module.__name__), module.__dict__)

    @classmethod
    def get_code(cls, name):
        return marshal.loads(zlib.decompress(cls.modules[name][1]))


def _start():
    import json

    Library.read(LIBRARY)
    for name in WARM:
        __import__(name)
    # Nothing of the builder's disk is there in a session.
    sys.path[:] = ["/usr/local/lib/site-packages"]
    sys.path_importer_cache.clear()
    sys.meta_path.append(Library)
    sys.prefix = sys.exec_prefix = sys.base_prefix = sys.base_exec_prefix = "/usr/local"
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main

    guest = os.path.join(os.path.dirname(__file__), "glassbox_guest")
    sources = {}
    for entry in os.listdir(guest):
        if entry.endswith(".py"):
            with open(os.path.join(guest, entry), encoding="utf-8") as file:
                sources[entry[:-3]] = file.read()
    with open(os.path.join(os.path.dirname(__file__), "bootstrap.py"), encoding="utf-8") as file:
        bootstrap = file.read()
    host = types.ModuleType("_host", "The host.")
    # The first question has its answer here; all others are for the host.
    host.call = lambda request: json.dumps({"ok": {"modules": sources}}).encode()
    sys.modules["_host"] = host
    exec(compile(bootstrap, "<glassbox>/bootstrap.py", "exec"), {"__name__": "bootstrap"})
    host.call = wit_world.call


_start()


class WitWorld(wit_world.WitWorld):
    """The world's export."""

    _is_fresh = False

    def turn(self):
        import glassbox_guest

        if not WitWorld._is_fresh:
            WitWorld._is_fresh = True
            glassbox_guest.fresh()
        glassbox_guest.turn()
