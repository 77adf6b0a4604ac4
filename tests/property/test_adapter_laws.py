"""The laws of the adapters, over generated schemas, names and calls."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spm_sandbox.adapters import adapter_for
from spm_sandbox.adapters.calls import invocation_of
from spm_sandbox.adapters.names import HASH_DIGITS, wire_name
from tests.support.provider_rules import NAME, check_tool
from tests.support.tool_skill import skill_with, tool

if TYPE_CHECKING:
    from collections.abc import Mapping

FRAMEWORKS = ("claude", "openai", "openai-chat", "google")
TEXT = st.text(min_size=1, max_size=8)
DESCRIBED = st.fixed_dictionaries({}, optional={"description": TEXT, "title": TEXT})
SCALARS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["string", ["string", "null"]])},
        optional={
            "minLength": st.integers(0, 9),
            "pattern": st.sampled_from(["^a+$", "(?=a)b"]),
            "format": st.sampled_from(["date-time", "uri", "email"]),
        },
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number", ["integer", "string"]])},
        optional={
            "minimum": st.integers(-9, 9),
            "exclusiveMaximum": st.integers(10, 20),
            "multipleOf": st.integers(1, 4),
            "default": st.integers(),
        },
    ),
    st.fixed_dictionaries(
        {"enum": st.lists(st.one_of(TEXT, st.integers(), st.none()), min_size=1)}
    ),
    st.fixed_dictionaries({"const": st.one_of(TEXT, st.booleans())}),
    st.sampled_from([{}, {"type": "boolean"}, {"type": "null"}, {"$ref": "#/$defs/shared"}]),
    st.just({"$ref": "#/$defs/absent"}),
)


def _grown(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    some = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(TEXT, inner, max_size=3)
    return st.one_of(
        st.fixed_dictionaries({"type": st.just("array")}, optional={"items": inner}),
        st.fixed_dictionaries({"type": st.just("array"), "prefixItems": some}),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner, "uniqueItems": st.booleans()}
        ),
        *(st.fixed_dictionaries({key: some}) for key in ("anyOf", "oneOf", "allOf")),
        _objects(inner, named),
    )


@st.composite
def _objects(
    draw: st.DrawFn,
    inner: st.SearchStrategy[dict[str, Any]],
    named: st.SearchStrategy[dict[str, Any]],
) -> dict[str, Any]:
    properties = draw(named)
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if draw(st.booleans()):
        schema["required"] = draw(st.lists(st.sampled_from([*properties, "more"]), max_size=2))
    if draw(st.booleans()):
        schema["additionalProperties"] = draw(st.booleans() | inner)
    if draw(st.booleans()):
        schema["patternProperties"] = {"^x": draw(inner)}
    return schema


@st.composite
def _roots(draw: st.DrawFn) -> dict[str, Any]:
    root = draw(_objects(SCHEMAS, st.dictionaries(TEXT, SCHEMAS, max_size=4)))
    if draw(st.booleans()):
        root["oneOf"] = draw(st.lists(SCHEMAS, min_size=1, max_size=2))
    return {**root, "$defs": {"shared": draw(SCHEMAS)}}


SCHEMAS = st.recursive(
    st.tuples(SCALARS, DESCRIBED).map(lambda pair: {**pair[0], **pair[1]}), _grown, max_leaves=8
)
ROOTS = _roots()
SLOW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@SLOW
@given(schema=ROOTS)
def test_every_schema_becomes_a_tool_the_provider_takes(
    framework: str, schema: dict[str, Any]
) -> None:
    """Law: what is sent is legal, JSON, made without changing what it was made of."""
    before = copy.deepcopy(schema)

    translation = adapter_for(framework).tools(skill_with(tool(schema)), None)

    check_tool(framework, translation.payload[0])
    assert json.loads(json.dumps(translation.payload)) == translation.payload
    assert schema == before


@pytest.mark.parametrize("framework", FRAMEWORKS)
@SLOW
@given(schema=ROOTS)
def test_the_same_tool_is_always_sent_the_same_way(framework: str, schema: dict[str, Any]) -> None:
    """Law: a translation depends on its input alone."""
    adapter = adapter_for(framework)

    first = adapter.tools(skill_with(tool(schema)), None)
    second = adapter.tools(skill_with(tool(copy.deepcopy(schema))), None)

    assert json.dumps(first.payload) == json.dumps(second.payload)
    assert first.notes == second.notes


NAMES = st.tuples(
    st.from_regex(r"[a-z0-9]{1,5}(-[a-z0-9]{1,4}){0,2}", fullmatch=True),
    st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)
    | st.from_regex(rf"[a_]{{0,3}}_h[0-9a-f]{{{HASH_DIGITS}}}", fullmatch=True),
)


@settings(deadline=None)
@given(tools=st.lists(NAMES, min_size=2, max_size=30, unique=True))
def test_two_tools_never_have_one_name(tools: list[tuple[str, str]]) -> None:
    """Law: ``wire_name`` is injective and always legal."""
    names = [wire_name(*each) for each in tools]

    assert len(set(names)) == len(tools)
    assert all(NAME.fullmatch(name) for name in names)


@settings(deadline=None)
@given(names=st.tuples(st.text(max_size=70), st.text(max_size=70)))
def test_any_text_at_all_has_a_legal_name(names: tuple[str, str]) -> None:
    assert NAME.fullmatch(wire_name(*names))


ARGUMENTS = st.dictionaries(
    TEXT, st.one_of(TEXT, st.integers(), st.booleans(), st.lists(TEXT, max_size=2)), max_size=4
)


def _message(framework: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    if framework == "claude":
        return {"type": "tool_use", "id": "1", "name": name, "input": arguments}
    if framework == "google":
        return {"functionCall": {"id": "1", "name": name, "args": arguments}}
    function = {"name": name, "arguments": json.dumps(arguments)}
    if framework == "openai":
        return {"type": "function_call", "call_id": "1", **function}
    return {"type": "function", "id": "1", "function": function}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@SLOW
@given(arguments=ARGUMENTS)
def test_a_call_of_what_was_sent_is_the_call_that_was_meant(
    framework: str, arguments: dict[str, Any]
) -> None:
    """Law: argument names go out and come back, whatever letters they have."""
    properties: dict[str, object] = {name: {} for name in arguments}
    schema: dict[str, object] = {"type": "object", "properties": properties}
    skill = skill_with(tool(schema))
    adapter = adapter_for(framework)
    sent: Any = adapter.tools(skill, None).payload[0]
    inner: dict[str, Any] = sent.get("function", sent)
    root: dict[str, Any] = inner.get("input_schema") or inner.get("parameters") or {}
    wire = dict(zip(root.get("properties", {}), arguments.values(), strict=True))

    invocation = invocation_of(adapter.call(_message(framework, inner["name"], wire)), [skill])

    assert invocation.arguments == arguments
    assert invocation.tool is skill.tools[0]
