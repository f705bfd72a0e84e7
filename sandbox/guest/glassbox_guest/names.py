"""Names of tools and of their parameters as Python's names. The host's stubs follow the same rules (`stubs.rs`)."""

import keyword

_DIGITS = "0123456789"
#: The functions and types of Python that programs use by name; written out, because versions differ.
_BUILTINS = set(
    """
    abs aiter all anext any ascii bin bool breakpoint bytearray bytes callable chr classmethod compile complex delattr
    dict dir divmod enumerate eval exec exit filter float format frozenset getattr globals hasattr hash help hex id
    input int isinstance issubclass iter len list locals map max memoryview min next object oct open ord pow print
    property quit range repr reversed round set setattr slice sorted staticmethod str sum super tuple type vars zip
    """.split()
)
#: Taken in `__main__`, beside the builtins.
RESERVED = {"Out", "ToolError", "clear_output", "display", "tools"}


def identifier(name, taken=(), reserved=()):
    """A name as an identifier that is not in `taken`.

    Runs of other characters become `_`; a keyword, and a name in `reserved`, gets one behind.
    """
    text = "".join(c if c.isalpha() or c in _DIGITS or c == "_" else " " for c in name)
    text = "_".join(text.split()) or "_"
    if text[0] in _DIGITS:
        text = "_" + text
    if keyword.iskeyword(text) or text in reserved:
        text += "_"
    found, number = text, 2
    while found in taken:
        found, number = f"{text}_{number}", number + 1
    return found


def tool_names(names):
    """Identifiers of tools by their names: none a builtin, no two alike."""
    reserved, given = RESERVED | _BUILTINS, {}
    for name in names:
        given[name] = identifier(name, given.values(), reserved)
    return given
