"""JSON schemas of parameters as Python's signatures."""

import inspect
import typing

from . import names


class Omitted:
    """The default of a parameter that may be left out, where the schema names none."""

    def __repr__(self):
        return "..."


OMITTED = Omitted()

_TYPES = {
    "string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict, "null": None,
}  # fmt: skip


def annotation(schema, depth=4):
    """The type that a schema describes; `typing.Any` where it says none."""
    if not isinstance(schema, dict) or depth == 0:
        return typing.Any
    if "const" in schema:
        return _literal([schema["const"]])
    if isinstance(schema.get("enum"), list):
        return _literal(schema["enum"])
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return _union([annotation(part, depth - 1) for part in schema[key]])
    kind = schema.get("type")
    if isinstance(kind, list) and kind:
        return _union([annotation({**schema, "type": one}, depth - 1) for one in kind])
    if kind == "array" and isinstance(schema.get("items"), dict):
        return list[annotation(schema["items"], depth - 1)]
    return _TYPES.get(kind, typing.Any) if isinstance(kind, str) else typing.Any


def _literal(values):
    if values and all(value is None or isinstance(value, (str, int, bool)) for value in values):
        return typing.Literal[tuple(values)]
    return typing.Any


def _union(parts):
    return typing.Any if typing.Any in parts or not parts else typing.Union[tuple(parts)]


def allows_null(schema):
    """Whether `null` is a value of its own."""
    if not isinstance(schema, dict):
        return True
    kind = schema.get("type")
    if kind == "null" or isinstance(kind, list) and "null" in kind:
        return True
    if None in schema.get("enum", ()) or "const" in schema and schema["const"] is None:
        return True
    parts = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if parts:
        return any(allows_null(part) for part in parts)
    return kind is None and not {"enum", "const", "$ref"} & set(schema)


def signature(parameters):
    """The signature of an object schema, and the property that each parameter stands for.

    Required ones come first, each group in the order of the schema.
    """
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    properties = properties if isinstance(properties, dict) else {}
    required = parameters.get("required") or [] if isinstance(parameters, dict) else []
    ordered = [name for name in properties if name in required] + [name for name in properties if name not in required]
    made, stands_for = [], {}
    for name in ordered:
        python = names.identifier(name, stands_for)
        stands_for[python] = name
        default = inspect.Parameter.empty
        if name not in required:
            schema = properties[name]
            default = schema["default"] if isinstance(schema, dict) and "default" in schema else OMITTED
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        made.append(inspect.Parameter(python, kind, default=default, annotation=annotation(properties[name])))
    if isinstance(parameters, dict) and parameters.get("additionalProperties") not in (None, False):
        made.append(
            inspect.Parameter("extra" if "extra" not in stands_for else "extra_", inspect.Parameter.VAR_KEYWORD)
        )
    return inspect.Signature(made), stands_for
