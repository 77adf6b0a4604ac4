"""Arguments against a tool's input schema, before any sandbox is started.

The schema comes from a stranger and is applied on the host, so it may cost only so
much: its size, its depth and the steps of one validation are capped, references
stay inside it, and a pattern that could take exponential time is left to the tool.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from spm_sandbox.errors import InvalidArguments, InvalidToolSchema
from spm_sandbox.patterns import MAXIMUM_SEARCHED, is_cheap
from spm_sandbox.printable import printable_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Check = Callable[[Any, Any, Any, Any], Iterator[Any] | None]

MAXIMUM_SCHEMA_VALUES = 5_000
MAXIMUM_SCHEMA_DEPTH = 32
MAXIMUM_STEPS = 200_000
MAXIMUM_ARGUMENTS = 200_000  # values in the arguments
MAXIMUM_NAME = 256  # characters of a name in an object of the arguments

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_SEARCH_PER_STEP = 1000  # characters squared that one step pays for


def check_arguments(
    tool: str, schema: Mapping[str, object], arguments: Mapping[str, object]
) -> None:
    """Refuse arguments that do not fit ``schema``; of several errors, name the first by pointer.

    Raises:
        InvalidToolSchema: the schema is not one, refers outside itself, or costs too much.
        InvalidArguments: the arguments do not fit.
    """
    check_schema(tool, schema)
    _check_names(tool, arguments)
    try:
        errors = _errors(tool, schema, arguments)
    except RecursionError:
        raise InvalidToolSchema(tool, "refers to itself without end") from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in {"referencing", "jsonschema", "re"}:
            raise
        reason = printable_line(str(error), longest=200)
        raise InvalidToolSchema(tool, f"cannot be applied: {reason}") from error
    if errors:
        pointer, message = min(errors)
        raise InvalidArguments(tool, pointer, message)


def check_schema(tool: str, schema: Mapping[str, object]) -> None:
    """Refuse a schema that is too large, too deep, too costly, or refers outside itself."""
    for count, (value, depth) in enumerate(_walk(schema)):
        if count > MAXIMUM_SCHEMA_VALUES or depth > MAXIMUM_SCHEMA_DEPTH:
            raise InvalidToolSchema(
                tool,
                f"has more than {MAXIMUM_SCHEMA_VALUES} values or {MAXIMUM_SCHEMA_DEPTH} levels",
            )
        if isinstance(value, dict):
            _check_keywords(tool, cast("dict[str, Any]", value))


def _check_keywords(tool: str, schema: dict[str, Any]) -> None:
    for keyword in _REFERENCES:
        reference = schema.get(keyword)
        if isinstance(reference, str) and not reference.startswith("#"):
            shown = printable_line(reference, longest=80)
            raise InvalidToolSchema(tool, f"refers to {shown}, outside itself")
    by_pattern = schema.get("patternProperties")
    for pattern in cast("dict[str, Any]", by_pattern) if isinstance(by_pattern, dict) else ():
        if not is_cheap(pattern):
            shown = printable_line(pattern, longest=80)
            raise InvalidToolSchema(tool, f"searches names for {shown}, which could take for ever")


def _check_names(tool: str, arguments: Mapping[str, object]) -> None:
    for count, (value, _) in enumerate(_walk(arguments)):
        if count > MAXIMUM_ARGUMENTS:
            raise InvalidArguments(tool, "", f"more than {MAXIMUM_ARGUMENTS} values")
        if isinstance(value, dict):
            for name in cast("dict[object, object]", value):
                if not isinstance(name, str) or len(name) > MAXIMUM_NAME:
                    raise InvalidArguments(
                        tool, "", f"a name that is not text of at most {MAXIMUM_NAME} characters"
                    )


def _walk(root: Mapping[str, object]) -> Iterator[tuple[Any, int]]:
    waiting: list[tuple[Any, int]] = [(dict(root), 0)]
    while waiting:
        value, depth = waiting.pop()
        yield value, depth
        if isinstance(value, dict):
            waiting += [(item, depth + 1) for item in cast("dict[str, Any]", value).values()]
        elif isinstance(value, (list, tuple)):
            waiting += [(item, depth + 1) for item in cast("list[Any]", value)]


def _errors(
    tool: str, schema: Mapping[str, object], arguments: Mapping[str, object]
) -> list[tuple[str, str]]:
    validators: Any = import_module("jsonschema.validators")
    no_others: Any = import_module("referencing").Registry()
    dialect = validators.validator_for(schema, default=validators.Draft202012Validator)
    for error in dialect(dialect.META_SCHEMA).iter_errors(dict(schema)):
        where = _pointer(error.absolute_path) or "(all)"
        reason = printable_line(error.message, longest=200)
        raise InvalidToolSchema(tool, f"is not a JSON Schema: {where}: {reason}")
    steps = [0]
    keywords = {
        name: _counted(tool, name, _pattern if name == "pattern" else check, steps)
        for name, check in dialect.VALIDATORS.items()
    }
    validator = validators.extend(dialect, keywords)(dict(schema), registry=no_others)
    return [
        (_pointer(error.absolute_path), printable_line(error.message, longest=200))
        for error in validator.iter_errors(dict(arguments))
    ]


def _counted(tool: str, keyword: str, check: Check, steps: list[int]) -> Check:
    """Count every application of a keyword, those that compare or search by their cost."""

    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        steps[0] += 1
        if keyword == "uniqueItems" and isinstance(instance, list):
            steps[0] += len(cast("list[object]", instance)) ** 2
        if keyword == "pattern" and isinstance(instance, str):
            steps[0] += min(len(instance), MAXIMUM_SEARCHED) ** 2 // _SEARCH_PER_STEP
        if steps[0] > MAXIMUM_STEPS:
            raise InvalidToolSchema(tool, f"takes more than {MAXIMUM_STEPS} steps to apply")
        yield from check(validator, value, instance, schema) or ()

    return counted


def _pattern(_validator: Any, pattern: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    if isinstance(instance, str) and len(instance) <= MAXIMUM_SEARCHED and is_cheap(pattern):
        import re

        if not re.search(pattern, instance):
            message = f"{instance[:80]!r} does not match {pattern!r}"
            yield import_module("jsonschema").ValidationError(message)


def _pointer(path: Any) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return printable_line("".join(f"/{part}" for part in parts), longest=200)
