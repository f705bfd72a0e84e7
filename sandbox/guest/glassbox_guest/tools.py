"""The host's tools as functions: in `__main__`, and in a module `tools`."""

import json
import sys
import types

from . import calls, names

_module = types.ModuleType("tools", "The tools that programs may call, and `ToolError`.")
#: What was put into `__main__`, by its name there.
_offered = {}


class ToolError(Exception):
    """A tool did not do it. `kind` is a word for why, the text is what the tool said."""

    def __init__(self, kind, message=None):
        if message is None:
            kind, message = "failed", kind
        super().__init__(kind, message)
        self.kind, self.message = kind, message

    def __str__(self):
        return str(self.message)


ToolError.__module__ = "tools"


def install():
    """Makes the module `tools`."""
    _module.ToolError = ToolError
    _module.__all__ = ["ToolError"]
    sys.modules["tools"] = _module


def offer(specs, main):
    """Puts the tools into the module and into `main`, in the place of those offered before.

    What the program has defined under such a name stays.
    """
    for name, function in _offered.items():
        if main.get(name) is function:
            del main[name]
        _module.__dict__.pop(name, None)
    _offered.clear()
    if specs:
        identifiers = names.tool_names([spec["name"] for spec in specs])
        for spec in specs:
            _offered[identifiers[spec["name"]]] = _function(spec, identifiers[spec["name"]])
    _module.__dict__.update(_offered)
    _module.__all__ = ["ToolError", *_offered]
    sys.modules["tools"] = _module
    for name, function in _offered.items():
        main.setdefault(name, function)
    main.setdefault("ToolError", ToolError)


def _function(spec, identifier):
    from . import schemas

    name, parameters = spec["name"], spec.get("parameters") or {}
    signature, stands_for = schemas.signature(parameters)
    properties = parameters.get("properties") or {} if isinstance(parameters, dict) else {}

    def tool(*args, **kwargs):
        # What a wrong call gets is as for every function: a `TypeError` that names it.
        try:
            bound = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{identifier}() {error}; its signature is {identifier}{signature}") from None
        arguments = {}
        for python, value in bound.items():
            if python not in stands_for:
                arguments.update(value)
                continue
            property_name = stands_for[python]
            optional = signature.parameters[python].default is not signature.empty
            # `None` for what may be left out leaves it out, unless it is a value there.
            if value is schemas.OMITTED or (
                value is None and optional and not schemas.allows_null(properties[property_name])
            ):
                continue
            arguments[property_name] = value
        return _call(name, identifier, arguments)

    tool.__name__ = tool.__qualname__ = identifier
    tool.__module__ = "tools"
    tool.__doc__ = _doc(spec, signature, stands_for, properties)
    tool.__signature__ = signature
    tool.__annotations__ = {
        parameter.name: parameter.annotation
        for parameter in signature.parameters.values()
        if parameter.annotation is not parameter.empty
    }
    return tool


def _call(name, identifier, arguments):
    try:
        # Values of libraries become JSON here; what the host checks is JSON.
        plain = json.loads(calls.encode(arguments, default=_as_json))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{identifier}(): the arguments must be JSON values: {error}") from None
    try:
        return calls.call("tool", name=name, arguments=plain)
    except calls.DoorError as error:
        raise ToolError(error.kind, str(error)) from None


def _as_json(value):
    """A value that JSON does not know, as the nearest one that it does."""
    for method in ("tolist", "isoformat", "model_dump", "to_dict", "_asdict"):
        convert = getattr(value, method, None)
        if callable(convert) and not isinstance(value, type):
            return convert()
    if isinstance(value, (set, frozenset, range)) or hasattr(value, "__next__"):
        return list(value)
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        from dataclasses import asdict

        return asdict(value)
    if type(value).__name__ in ("Decimal", "Fraction", "Integer", "Float", "Rational"):
        return float(value)
    if isinstance(value, (bytes, bytearray)):
        raise TypeError("bytes are no JSON value; decode them, or encode them with base64")
    raise TypeError(f"a {type(value).__name__} is no JSON value")


def _doc(spec, signature, stands_for, properties):
    lines = [spec.get("description") or ""]
    described = [
        (python, properties[name]["description"])
        for python, name in stands_for.items()
        if isinstance(properties[name], dict) and properties[name].get("description")
    ]
    if described:
        lines += ["", "Parameters:", *(f"    {python}: {text}" for python, text in described)]
    return "\n".join(lines).strip()
