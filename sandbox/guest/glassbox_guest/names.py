"""Names of tools and of their parameters as Python's names. The host's stubs follow the same rules (`stubs.rs`)."""

import builtins
import keyword

#: Taken in `__main__`, beside the builtins.
RESERVED = {"Out", "ToolError", "clear_output", "display", "tools"}


def identifier(name, taken=(), reserved=()):
    """A name as an identifier that is not in `taken`: other characters become `_`, a keyword gets one behind."""
    text = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name) or "_"
    if text[0].isdigit():
        text = "_" + text
    if keyword.iskeyword(text) or text in reserved:
        text += "_"
    found, number = text, 2
    while found in taken:
        found, number = f"{text}_{number}", number + 1
    return found


def tool_names(names):
    """Identifiers of tools by their names: none a builtin, no two alike."""
    reserved, given = RESERVED | set(dir(builtins)) - {"__build_class__"}, {}
    for name in names:
        given[name] = identifier(name, given.values(), reserved)
    return given
