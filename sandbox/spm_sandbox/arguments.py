"""Arguments against a tool's input schema, before any sandbox is started.

The schema comes from a stranger and is applied on the host, so it may cost only so
much: its size, its depth and the steps of one validation are capped, references
stay inside it, and a pattern that could take exponential time is left to the tool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from spm_sandbox.errors import InvalidArguments, InvalidToolSchema
from spm_sandbox.printable import printable_line

MAXIMUM_SCHEMA_VALUES = 5_000
MAXIMUM_DEPTH = 64
MAXIMUM_STEPS = 200_000
MAXIMUM_PATTERN_TEXT = 10_000  # characters a pattern is searched in

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_REGULAR_EXPRESSIONS = ("pattern", "patternProperties")


def check_arguments(
    tool: str, schema: Mapping[str, object], arguments: Mapping[str, object]
) -> None:
    """Refuse arguments that do not fit ``schema``; of several errors, name the deepest first.

    Raises:
        InvalidToolSchema: the schema is not one, refers outside itself, or costs too much.
        InvalidArguments: the arguments do not fit.
    """
    check_schema(tool, schema)
    try:
        errors = _errors(tool, schema, arguments)
    except RecursionError:
        raise InvalidToolSchema(tool, "refers to itself without end") from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in {"referencing", "jsonschema"}:
            raise
        reason = printable_line(str(error), longest=200)
        raise InvalidToolSchema(tool, f"cannot be applied: {reason}") from error
    if errors:
        pointer, message = min(errors)
        raise InvalidArguments(tool, pointer, message)


def check_schema(tool: str, schema: Mapping[str, object]) -> None:
    """Refuse a schema that is too large, too deep, or refers outside itself."""
    count = 0
    waiting: list[tuple[object, int]] = [(schema, 0)]
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if count > MAXIMUM_SCHEMA_VALUES or depth > MAXIMUM_DEPTH:
            raise InvalidToolSchema(
                tool, f"has more than {MAXIMUM_SCHEMA_VALUES} values or {MAXIMUM_DEPTH} levels"
            )
        if isinstance(value, Mapping):
            for keyword in _REFERENCES:
                reference = value.get(keyword)
                if isinstance(reference, str) and not reference.startswith("#"):
                    shown = printable_line(reference, longest=80)
                    raise InvalidToolSchema(tool, f"refers to {shown}, outside itself")
            waiting += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, (list, tuple)):
            waiting += [(item, depth + 1) for item in value]


def _errors(
    tool: str, schema: Mapping[str, object], arguments: Mapping[str, object]
) -> list[tuple[str, str]]:
    import jsonschema
    import referencing

    dialect = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        dialect.check_schema(dict(schema))
    except jsonschema.SchemaError as error:
        reason = printable_line(error.message, longest=200)
        raise InvalidToolSchema(
            tool, f"is not a JSON Schema: {error.json_path}: {reason}"
        ) from None
    keywords: dict[str, Any] = {**dialect.VALIDATORS, "pattern": _pattern}
    keywords.pop("patternProperties", None)
    keywords = {
        name: _counted(tool, check, steps) for steps in [[0]] for name, check in keywords.items()
    }
    counted: Any = jsonschema.validators.extend(dialect, keywords)
    validator = counted(dict(schema), registry=referencing.Registry())
    return [
        (_pointer(error.absolute_path), printable_line(error.message, longest=200))
        for error in validator.iter_errors(dict(arguments))
    ]


Check = Callable[[Any, Any, Any, Any], Iterator[Any] | None]


def _counted(tool: str, check: Check, steps: list[int]) -> Check:
    """Count every application of a keyword; comparing all with all costs the square."""

    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        square = "uniqueItems" in schema and value is schema["uniqueItems"]
        steps[0] += 1 + (len(instance) ** 2 if square and isinstance(instance, list) else 0)
        if steps[0] > MAXIMUM_STEPS:
            raise InvalidToolSchema(tool, f"takes more than {MAXIMUM_STEPS} steps to apply")
        yield from check(validator, value, instance, schema) or ()

    return counted


def _pattern(_validator: Any, pattern: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    import jsonschema

    if isinstance(instance, str) and len(instance) <= MAXIMUM_PATTERN_TEXT and _is_cheap(pattern):
        import re

        if not re.search(pattern, instance):
            shown = printable_line(instance, longest=80)
            yield jsonschema.ValidationError(f"{shown!r} does not match {pattern!r}")


def _is_cheap(pattern: str) -> bool:
    """Whether the pattern has at most one unbounded repeat and no reference to a group.

    Such a search is at worst quadratic in a text that is capped.
    """
    return sum(pattern.count(sign) for sign in ("*", "+", "{", "(?P=", "\\1")) <= 1


def _pointer(path: Any) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return printable_line("".join(f"/{part}" for part in parts), longest=200)
