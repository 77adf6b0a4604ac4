"""What a tool takes: the shape that its JSON Schema must have to be usable.

This is no validator of JSON Schema. It finds the mistakes that authors make and
that would surface only when a model calls the tool: a root that is no object, a
misspelt type, a list where a mapping belongs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_spec.fields import dotted, is_list, is_mapping, kind_of, near
from spm_spec.quoting import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spm_spec.yaml import Path

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")

_MAPS_OF_SCHEMAS = ("properties", "patternProperties", "$defs", "dependentSchemas")
_LISTS_OF_SCHEMAS = ("anyOf", "allOf", "oneOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains")


class InvalidInputSchema(ValueError):
    """A schema that cannot describe arguments; ``path`` is where inside it."""

    def __init__(self, message: str, path: Path = (), *, hint: str | None = None) -> None:
        """Keep the place and the hint beside the message."""
        super().__init__(message)
        self.path = path
        self.hint = hint


def check_input_schema(value: object) -> dict[str, object]:
    """Return ``value`` as the schema of a tool's arguments; nothing means no arguments.

    Raises:
        InvalidInputSchema: not an object schema, or a subschema that is none.

    """
    if value is None:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    if not is_mapping(value):
        raise InvalidInputSchema(f"is {kind_of(value)}, not a schema")
    if value.get("type") != "object":
        hint = "write `type: object` and the arguments under `properties:`"
        raise InvalidInputSchema("is not of `type: object`", hint=hint)
    waiting: list[tuple[Path, object]] = [((), value)]
    while waiting:
        path, schema = waiting.pop()
        if isinstance(schema, bool):
            continue
        if not is_mapping(schema):
            raise InvalidInputSchema(
                f"has {kind_of(schema)} at `{dotted(path)}`, not a schema", path
            )
        _check_type(schema.get("type", "object"), path)
        _check_required(schema.get("required", []), path)
        waiting += _subschemas(schema, path)
    return value


def _check_type(value: object, path: Path) -> None:
    for word in value if is_list(value) else [value]:
        if word not in TYPES:
            shown = quote(word) if isinstance(word, str) else kind_of(word)
            hint = near(word, TYPES) if isinstance(word, str) else None
            hint = hint or f"the types are {', '.join(TYPES)}"
            place = dotted((*path, "type"))
            raise InvalidInputSchema(f"has the unknown type {shown} at `{place}`", path, hint=hint)


def _check_required(value: object, path: Path) -> None:
    if not is_list(value) or not all(isinstance(name, str) for name in value):
        place = (*path, "required")
        raise InvalidInputSchema(f"must list names at `{dotted(place)}`", place)


def _subschemas(schema: dict[str, object], path: Path) -> Iterator[tuple[Path, object]]:
    for key, value in schema.items():
        here = (*path, key)
        if key in _SCHEMAS:
            yield here, value
        elif key in _MAPS_OF_SCHEMAS:
            if not is_mapping(value):
                message = f"has {kind_of(value)} at `{dotted(here)}`, not a mapping of schemas"
                raise InvalidInputSchema(message, here)
            yield from (((*here, name), item) for name, item in value.items())
        elif key in _LISTS_OF_SCHEMAS:
            if not is_list(value):
                message = f"has {kind_of(value)} at `{dotted(here)}`, not a list of schemas"
                raise InvalidInputSchema(message, here)
            yield from (((*here, at), item) for at, item in enumerate(value))
