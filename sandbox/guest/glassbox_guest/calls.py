"""Calls of the host: one JSON object there, one back."""

import json
import sys

import _host

from . import interrupts

#: What most calls are answered with.
_DONE = b'{"ok":null}'
# Made once: `json.dumps` makes an encoder each time.
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
#: The largest request in bytes: `display` and `result`, and all others.
LARGE, SMALL = 32 << 20, 4 << 20


class DoorError(Exception):
    """The host's refusal. `kind` says what of."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def flush():
    """Writes out what programs printed, so that it comes before the next call."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # A program may have put anything there.
            pass


def call(op, **members):
    """Calls the host, and gives `ok` of its answer. An interrupt waits until the answer is there.

    Raises `DoorError` for a refusal, and `TypeError` or `ValueError` where the members are not JSON.
    """
    request = encode({"op": op, **members})
    limit = LARGE if op in ("display", "result") else SMALL
    if len(request) > limit:
        raise DoorError("too_large", f"a `{op}` of {len(request):,} bytes is more than the {limit:,} that are taken")
    return exchange(request)


def exchange(request):
    """Calls the host with a request that is bytes already."""
    with interrupts.held():
        flush()
        answer = _host.call(request)
    if answer == _DONE:
        return None
    answer = json.loads(answer.decode())
    error = answer.get("error")
    if error is not None:
        raise DoorError(str(error.get("kind", "host")), str(error.get("message", "the host refused")))
    return answer.get("ok")


def encode(value, default=None):
    """JSON as the host reads it: UTF-8, no `NaN`. Half of a surrogate pair, which is no text, becomes `?`."""
    if default is None:
        text = _encoder.encode(value)
    else:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=default)
    return text.encode("utf-8", "replace")
