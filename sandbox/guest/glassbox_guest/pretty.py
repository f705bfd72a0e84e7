"""The plain text of a value: bounded, and robust against a `repr` that raises."""

#: Characters of a text, elements of all containers together, and containers within containers.
TEXT, ELEMENTS, DEPTH = 20_000, 1_000, 40
#: Wider than this, a container is written with one element a line.
WIDTH = 80

_BRACKETS = {list: "[]", tuple: "()", set: "{}", frozenset: ("frozenset({", "})"), dict: "{}"}


def plain(value):
    """The text. Only an interrupt leaves this."""
    try:
        if type(value) in _BRACKETS:
            text = _container(value)
        elif type(value) in (str, bytes, bytearray) and len(value) > TEXT:
            return f"{value[:TEXT]!r}… ({len(value):,} in all)"
        else:
            text = repr(value)
        if not isinstance(text, str):
            raise TypeError("repr gave no text")
    except Exception as error:
        return unprintable(value, error)
    return text if len(text) <= TEXT else f"{text[:TEXT]}… ({len(text) - TEXT:,} more characters)"


def unprintable(value, error):
    """A value whose own text could not be had."""
    try:
        reason = str(error)[:200]
    except Exception:
        reason = ""
    return f"<{type(value).__name__}: its text could not be made: {type(error).__name__}: {reason}>"


def _container(value):
    budget = [ELEMENTS]
    if _fits(value, budget, DEPTH):
        text = repr(value)
        if len(text) <= WIDTH:
            return text
        from pprint import pformat

        return pformat(value, width=WIDTH, compact=True, sort_dicts=False)
    return _head(value, [ELEMENTS], DEPTH)


def _fits(value, budget, depth):
    """Whether a container has few enough elements, those of its own containers included."""
    if type(value) not in _BRACKETS:
        return not (isinstance(value, (str, bytes, bytearray)) and len(value) > TEXT)
    budget[0] -= len(value)
    if budget[0] < 0 or depth == 0:
        return False
    parts = value if type(value) is not dict else [*value.keys(), *value.values()]
    return all(_fits(part, budget, depth - 1) for part in parts)


def _head(value, budget, depth):
    """The text of as many elements as the budget has."""
    if type(value) not in _BRACKETS:
        if isinstance(value, (str, bytes, bytearray)) and len(value) > 200:
            return f"{value[:200]!r}…"
        return repr(value)
    opening, closing = _BRACKETS[type(value)]
    if depth == 0:
        return f"{opening}…{closing}"
    parts, left = [], len(value)
    for part in value.items() if type(value) is dict else value:
        if budget[0] <= 0:
            break
        budget[0] -= 1
        left -= 1
        if type(value) is dict:
            parts.append(f"{_head(part[0], budget, depth - 1)}: {_head(part[1], budget, depth - 1)}")
        else:
            parts.append(_head(part, budget, depth - 1))
    if left:
        parts.append(f"… ({left:,} more)")
    return f"{opening}{', '.join(parts)}{closing}"
