"""Arguments are held against a schema of a stranger, at a bounded price."""

from __future__ import annotations

from typing import Any

import pytest

from spm_sandbox.arguments import check_arguments
from spm_sandbox.errors import InvalidArguments, InvalidToolSchema
from spm_sandbox.patterns import is_cheap


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


def doubling(levels: int) -> dict[str, Any]:
    """Return a schema of a few lines that takes two to the power of ``levels`` steps."""
    definitions: dict[str, Any] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)
    }
    return {"$defs": {**definitions, f"d{levels}": {}}, "$ref": "#/$defs/d0"}


OBJECT = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "pattern": "^[a-z]+$"},
        "items": {"type": "array", "items": {"type": "object", "required": ["a/b"]}},
    },
    "required": ["text"],
    "additionalProperties": False,
}


def test_arguments_that_fit_are_fine() -> None:
    check_arguments("t", OBJECT, {"text": "abc", "items": [{"a/b": 1}]})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "tool `t`: argument (all): 'text' is a required property"),
        ({"text": 5}, "tool `t`: argument /text: 5 is not of type 'string'"),
        ({"text": "A"}, "tool `t`: argument /text: 'A' does not match '^[a-z]+$'"),
        (
            {"text": "a", "items": [{"a/b": 1}, {}]},
            "tool `t`: argument /items/1: 'a/b' is a required property",
        ),
        (
            {"text": "\x1b[1m"},
            "tool `t`: argument /text: '\\x1b[1m' does not match '^[a-z]+$'",
        ),
        (
            {"text": "a", "x": 1},
            "tool `t`: argument (all): Additional properties are not allowed ('x' was unexpected)",
        ),
        (
            {"x" * 300: 1},
            "tool `t`: argument (all): a name that is not text of at most 256 characters",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_named_by_pointer(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidArguments) as caught:
        check_arguments("t", OBJECT, arguments)

    assert caught.value.message == message
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"$ref": "https://example.org/x.json"}, "refers to https://example.org/x.json"),
        ({"$ref": "file:///etc/passwd"}, "refers to file:///etc/passwd, outside itself"),
        ({"properties": {"a": {"$dynamicRef": "x#y"}}}, "refers to x#y, outside itself"),
        ({"$ref": "#/$defs/none"}, "cannot be applied: "),
        ({"$ref": "#"}, "refers to itself without end"),
        ({"type": "nonsense"}, "is not a JSON Schema: /type: "),
        ({"properties": {"a": {"pattern": "["}}}, "cannot be applied: "),
        ({"patternProperties": {"^(a+)+$": {}}}, "searches names for ^(a+)+$"),
        (nested(40), "has more than 5000 values or 32 levels"),
        ({"enum": list(range(6000))}, "has more than 5000 values or 32 levels"),
        (doubling(25), "takes more than 200000 steps to apply"),
        (
            {"properties": {"list": {"uniqueItems": True}}},
            "takes more than 200000 steps to apply",
        ),
    ],
)
def test_a_schema_that_is_wrong_or_costs_too_much_is_refused(
    schema: dict[str, Any], reason: str
) -> None:
    arguments: dict[str, object] = {"a": "x", "list": [[n] for n in range(1000)]}

    with pytest.raises(InvalidToolSchema) as caught:
        check_arguments("t", schema, arguments)

    assert caught.value.message.startswith(f"tool `t`: its input schema {reason}")


@pytest.mark.parametrize(
    "pattern", ["^[a-z0-9-]+$", "a|b", r"^\d{4}-\d{2}-\d{2}$", "^(GET|POST)$", "^-?[0-9]{1,5}$"]
)
def test_an_ordinary_pattern_is_cheap(pattern: str) -> None:
    assert is_cheap(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*$", "a*a*b", r"(a)\1", "(a?)+b", "(x{1,30}){1,30}", "a?" * 30, "a" * 201],
)
def test_a_pattern_that_could_take_for_ever_is_not(pattern: str) -> None:
    assert not is_cheap(pattern)


def test_a_costly_pattern_is_left_to_the_tool() -> None:
    schema = {"properties": {"a": {"pattern": "^(a+)+$"}}}

    check_arguments("t", schema, {"a": "a" * 50 + "b"})
