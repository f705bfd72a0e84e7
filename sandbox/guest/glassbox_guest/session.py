"""What belongs to one session: its folder, its chance, its names."""

import os
import sys

#: The session's own folder.
HOME = "/mnt/data"

_environment = {}


def prepare():
    """At boot: what every session starts with."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    os.environ.setdefault("MPLCONFIGDIR", "/tmp/.matplotlib")
    _environment.update(os.environ)
    main = sys.modules["__main__"]
    main.__dict__.setdefault("__builtins__", __import__("builtins"))
    main.__name__ = "__main__"
    enter()


def enter():
    """Goes to the session's folder, where it is there."""
    try:
        os.chdir(HOME)
    except OSError:
        pass


def fresh():
    """Takes apart what sessions of one image would share: the next random number, the next temporary file."""
    loaded = sys.modules.get
    _reseed(loaded)
    if (tempfile := loaded("tempfile")) is not None:
        tempfile._name_sequence = None
        tempfile.tempdir = None
    if (uuid := loaded("uuid")) is not None:
        uuid._last_timestamp = uuid._node = None
        if hasattr(uuid, "_last_timestamp_v7"):
            uuid._last_timestamp_v7 = None
    if (matplotlib := loaded("matplotlib")) is not None:
        for name in ("get_cachedir", "get_configdir"):
            clear = getattr(getattr(matplotlib, name, None), "cache_clear", None)
            if clear is not None:
                clear()
    for name in set(os.environ) - set(_environment):
        del os.environ[name]
    os.environ.update(_environment)
    enter()


def _reseed(loaded):
    seed = int.from_bytes(os.urandom(16), "little")
    if (random := loaded("random")) is not None:
        random.seed(seed)
    if (numpy_random := loaded("numpy.random")) is not None:
        numpy_random.seed(seed & 0xFFFF_FFFF)
    if (sympy_random := loaded("sympy.core.random")) is not None:
        sympy_random.rng.seed(seed + 1)
