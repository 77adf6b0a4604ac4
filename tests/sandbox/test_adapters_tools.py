"""One skill's tools in each framework's shape: what is sent, and what is said to be lost."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from spm_sandbox.adapters import adapter_for
from spm_sandbox.adapters.model import InvalidExplicitTools, Translation, Untranslatable
from spm_sandbox.adapters.names import decode_name, known_tools, wire_name
from tests.support.provider_rules import check_tool
from tests.support.tool_skill import skill_with, tool

FRAMEWORKS = ("claude", "openai", "openai-chat", "google")
PLAIN: dict[str, object] = {
    "type": "object",
    "properties": {"csv": {"type": "string"}, "limit": {"type": "integer", "minimum": 1}},
    "required": ["csv"],
    "additionalProperties": False,
}


def translated(framework: str, schema: dict[str, object]) -> Translation:
    translation = adapter_for(framework).tools(skill_with(tool(schema)), None)
    for each in translation.payload:
        check_tool(framework, each)
    return translation


def schema_of(framework: str, schema: dict[str, object]) -> Any:
    sent: Any = translated(framework, {"type": "object", "properties": {"x": schema}})
    key = {"claude": "input_schema", "google": "parameters"}.get(framework, "parameters")
    return sent.payload[0][key]["properties"]["x"]


def test_claude_gets_the_schema_as_it_is() -> None:
    assert translated("claude", PLAIN).payload == [
        {"name": "tidy__sort", "description": "Sorts a table.", "input_schema": PLAIN}
    ]


def test_openai_gets_a_strict_function_where_null_stands_for_left_out() -> None:
    translation = translated("openai", PLAIN)

    assert translation.payload == [
        {
            "type": "function",
            "name": "tidy__sort",
            "description": "Sorts a table.",
            "parameters": {
                "type": "object",
                "properties": {
                    "csv": {"type": "string"},
                    "limit": {"type": ["integer", "null"], "minimum": 1},
                },
                "required": ["csv", "limit"],
                "additionalProperties": False,
            },
            "strict": True,
        }
    ]
    assert [str(note) for note in translation.notes] == [
        "sort /properties/limit: null stands for leaving it out"
    ]


def test_chat_nests_what_responses_has_flat() -> None:
    flat = dict(translated("openai", PLAIN).payload[0])
    kind = flat.pop("type")

    assert translated("openai-chat", PLAIN).payload == [{"type": kind, "function": flat}]


def test_google_gets_a_declaration_in_its_subset() -> None:
    assert translated("google", PLAIN).payload == [
        {
            "name": "tidy__sort",
            "description": "Sorts a table.",
            "parameters": {
                "type": "OBJECT",
                "properties": {
                    "csv": {"type": "STRING"},
                    "limit": {"type": "INTEGER", "minimum": 1},
                },
                "propertyOrdering": ["csv", "limit"],
                "required": ["csv"],
                "additionalProperties": False,
            },
        }
    ]


def test_a_function_without_arguments_has_no_parameters_for_google() -> None:
    schema: dict[str, object] = {"type": "object", "additionalProperties": False}

    assert "parameters" not in translated("google", schema).payload[0]
    assert translated("openai", schema).payload[0]["strict"] is True


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "object"}, None),
        ({"type": "object", "additionalProperties": True}, "properties nobody named"),
        ({"type": "array"}, "an array without `items`"),
        ({}, "a value of any type"),
        ({"type": "string", "not": {"const": "x"}}, "`not` is not strict"),
        ({"type": "object", "patternProperties": {"^a": {}}}, "`patternProperties` is not strict"),
        ({"allOf": [{"type": "string"}]}, "`allOf` is not strict"),
        ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, "`uniqueItems`"),
        ({"type": "string", "enum": [f"v{n}" for n in range(1001)]}, "1001 enum values"),
    ],
)
def test_openai_is_not_strict_where_that_would_change_the_tool(
    schema: dict[str, object], reason: str | None
) -> None:
    translation = translated(
        "openai", {"type": "object", "properties": {"x": schema}, "required": ["x"]}
    )

    sent: Any = translation.payload[0]
    assert sent["strict"] is (reason is None)
    if reason is not None:
        assert sent["parameters"]["properties"]["x"] == schema
        assert any(reason in str(note) for note in translation.notes), translation.notes


def test_strict_says_in_the_description_what_it_cannot_check() -> None:
    sent = schema_of("openai", {"type": "string", "minLength": 3, "default": "abc"})

    assert sent == {
        "type": ["string", "null"],
        "description": 'Must also satisfy this JSON Schema: {"minLength":3,"default":"abc"}',
    }


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
        ({"const": "a"}, {"type": "STRING", "enum": ["a"], "format": "enum"}),
        ({"enum": [1, 2]}, {"type": "INTEGER", "enum": ["1", "2"], "format": "enum"}),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "INTEGER", "minimum": 1}),
        ({"type": "string", "title": "T"}, {"type": "STRING", "description": "T"}),
        (
            {"oneOf": [{"type": "string"}, {"type": "null"}]},
            {"type": "STRING", "nullable": True},
        ),
        (
            {"type": "array", "prefixItems": [{"type": "string"}], "items": False},
            {
                "type": "ARRAY",
                "items": {"type": "STRING"},
                "maxItems": 1,
                "description": (
                    'Must also satisfy this JSON Schema: {"prefixItems":[{"type":"string"}]}'
                ),
            },
        ),
        (
            {"type": "integer", "multipleOf": 5, "description": "Minutes."},
            {
                "type": "INTEGER",
                "description": 'Minutes.\nMust also satisfy this JSON Schema: {"multipleOf":5}',
            },
        ),
        (
            {"allOf": [{"type": "string"}, {"minLength": 2}]},
            {"type": "STRING", "minLength": 2},
        ),
    ],
)
def test_google_writes_what_its_subset_has_and_says_the_rest(
    schema: dict[str, object], expected: dict[str, object]
) -> None:
    assert schema_of("google", schema) == expected


def test_google_writes_references_out_and_leaves_recursion_open() -> None:
    tree = {
        "type": "object",
        "properties": {"value": {"type": "string"}, "next": {"$ref": "#/$defs/tree"}},
    }
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/tree"}},
        "$defs": {"tree": tree},
    }

    translation = translated("google", schema)

    root: Any = translation.payload[0]["parameters"]
    assert root["properties"]["root"]["properties"]["value"] == {"type": "STRING"}
    assert "comes back to itself" in str(translation.notes)
    assert translated("openai", schema).payload[0]["strict"] is True


def test_references_that_multiply_stay_within_the_limit() -> None:
    """Thirty definitions, each twice the next: a thousand million schemas when written out."""
    doubled: dict[str, object] = {
        f"d{n}": {
            "type": "object",
            "properties": {side: {"$ref": f"#/$defs/d{n + 1}"} for side in ("a", "b")},
        }
        for n in range(30)
    }
    doubled["d30"] = {"type": "string"}
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/d0"}},
        "$defs": doubled,
    }

    for framework in FRAMEWORKS:
        assert len(json.dumps(translated(framework, schema).payload)) < 2_000_000


def test_a_combinator_at_the_top_is_said_and_its_properties_are_shown() -> None:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "oneOf": [
            {"required": ["a"]},
            {"properties": {"b": {"type": "integer"}}, "required": ["b"]},
        ],
    }

    for framework in FRAMEWORKS:
        translation = translated(framework, schema)
        text = json.dumps(translation.payload)
        assert "Must also satisfy this JSON Schema: {" in text
        assert '"b"' in text
        assert any("`oneOf` at the top" in str(note) for note in translation.notes)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_argument_names_a_framework_cannot_write_are_renamed_and_noted(framework: str) -> None:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"größe": {"type": "integer"}, "a-b": {"type": "string"}},
        "required": ["größe"],
    }

    translation = translated(framework, schema)

    renamed = [str(note) for note in translation.notes if "is called" in str(note)]
    assert len(renamed) == {"claude": 1, "google": 2}.get(framework, 0)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "string"}, 'the input is of type "string", a tool takes an object'),
        ({"type": "objekt"}, "/type: not what `type` can hold"),
        ({"type": "object", "properties": {"x": 3}}, "/properties/x: a schema is a mapping"),
        ({"type": "object", "required": "x"}, "/required: not what `required` can hold"),
    ],
)
def test_a_schema_no_framework_can_express_is_refused_with_its_place(
    framework: str, schema: dict[str, object], message: str
) -> None:
    with pytest.raises(Untranslatable) as caught:
        adapter_for(framework).tools(skill_with(tool(schema)), None)

    assert caught.value.message == f"tool `sort`: {message}"


def test_a_schema_deeper_than_the_limit_is_refused() -> None:
    deep: dict[str, object] = {"type": "string"}
    for _ in range(200):
        deep = {"type": "array", "items": deep}

    with pytest.raises(Untranslatable, match="nested deeper than 64 levels"):
        translated("claude", {"type": "object", "properties": {"x": deep}})


def test_a_skill_of_words_has_no_tools() -> None:
    assert adapter_for("claude").tools(skill_with(), None) == Translation([], ())


@pytest.mark.parametrize(
    ("skill", "name"),
    [("tidy", "sort"), ("9lives", "sort"), ("a" * 64, "b" * 64), ("a", "b_h0123456789abcdef")],
)
def test_wire_names_are_legal_and_come_back(skill: str, name: str) -> None:
    wire = wire_name(skill, name)
    known = known_tools([skill_with(tool(PLAIN, name), name=skill)])

    reference = decode_name(wire, known)
    assert (reference.skill, reference.tool) == (skill, name)
    assert len(wire) <= 64


EXPLICIT: dict[str, Any] = {
    "claude": [{"name": "sort", "description": "Mine.", "input_schema": {"type": "object"}}],
    "openai": [{"type": "function", "name": "sort", "parameters": {"type": "object"}}],
    "google": {"functionDeclarations": [{"name": "sort", "description": "Mine."}]},
}


@pytest.mark.parametrize("framework", EXPLICIT)
def test_a_file_of_the_skill_for_a_framework_wins(framework: str) -> None:
    skill = skill_with(tool(PLAIN), tool(PLAIN, "other"))

    translation = adapter_for(framework).tools(skill, json.dumps(EXPLICIT[framework]).encode())

    assert [each["name"] for each in translation.payload] == ["tidy__sort"]
    assert [note.tool for note in translation.notes] == ["other"]


@pytest.mark.parametrize(
    ("framework", "data", "message"),
    [
        ("claude", b"{", "not JSON at line 1 column 2"),
        ("claude", b"\xff", "not UTF-8 at byte 0"),
        ("claude", b"[" * 100, "nested deeper than 64 levels"),
        ("claude", b"3", 'neither a list of tools nor `{"tools": […]}`'),
        ("claude", b'[{"name": "sort"}]', "tool 1: the field `input_schema` is missing"),
        ("claude", b'[{"name":"x","input_schema":{"type":"object"}}]', "has no tool `x`"),
        (
            "claude",
            b'[{"name":"sort","input_schema":{"type":"array"}}]',
            "`input_schema` is not a schema of `type: object`",
        ),
        ("claude", b'[{"name":"a","name":"b"}]', "the key `name` stands twice"),
        ("claude", b'[{"name":"sort","input_schema":{},"x":1}]', "unknown field `x`"),
        ("claude", b'[{"type":"bash_20250124","name":"bash"}]', "is not a tool of a skill"),
        ("openai", b'[{"name":"sort","parameters":null}]', "`parameters` is not a schema"),
        ("google", b'[{"name":"sort"}]', "the field `description` is missing"),
        ("google", b" " * 300_000, "300000 bytes of JSON, at most 262144 are read"),
    ],
)
def test_a_file_the_provider_would_refuse_is_refused(
    framework: str, data: bytes, message: str
) -> None:
    with pytest.raises(InvalidExplicitTools) as caught:
        adapter_for(framework).tools(skill_with(tool(PLAIN)), data)

    assert message in caught.value.message
    assert caught.value.message.startswith(".skill/")


def test_adapters_import_no_provider_library() -> None:
    program = (
        "import sys, spm_sandbox.adapters as a\n"
        "[a.adapter_for(n) for n in ('claude', 'openai', 'google')]\n"
        "print(sorted({'anthropic', 'openai', 'google', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
