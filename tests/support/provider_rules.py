"""What each provider takes as a tool: by its official types, and by its written rules.

The official types check shapes only; a tool named ``bad name!!`` passes them. So
the rules are stated here once more, apart from the code that keeps them.
"""

from __future__ import annotations

import re
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
GOOGLE_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
CLAUDE_ARGUMENT = re.compile(r"[A-Za-z0-9_.-]{1,64}")
ROOT_COMBINATORS = {"anyOf", "oneOf", "allOf", "not", "enum", "const"}
STRICT_KEYWORDS = {
    "$defs",
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "multipleOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
}
GOOGLE_KEYWORDS = {
    "additionalProperties",
    "anyOf",
    "default",
    "description",
    "enum",
    "example",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "nullable",
    "pattern",
    "properties",
    "propertyOrdering",
    "required",
    "type",
}
GOOGLE_TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT"}
MAPS = ("properties", "$defs")
LISTS = ("anyOf",)
SINGLES = ("items", "additionalProperties")


@cache
def _official() -> dict[str, Any]:
    """The official types; importing the packages may warn about their own dependencies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from anthropic.types import ToolParam
        from google.genai.types import FunctionDeclaration
        from openai.types.chat import ChatCompletionToolParam
        from openai.types.responses import FunctionToolParam
        from pydantic import TypeAdapter

        types = {
            "claude": ToolParam,
            "openai": FunctionToolParam,
            "openai-chat": ChatCompletionToolParam,
            "google": FunctionDeclaration,
        }
        return {name: TypeAdapter[Any](kind) for name, kind in types.items()}


def check_tool(framework: str, tool: dict[str, Any]) -> None:
    """Assert that the provider would take ``tool``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _official()[framework].validate_python(tool)
    inner = tool["function"] if framework == "openai-chat" else tool
    assert NAME.fullmatch(inner["name"])
    assert inner["description"]
    if framework == "claude":
        _check_root(inner["input_schema"])
        for name in inner["input_schema"]["properties"]:
            assert CLAUDE_ARGUMENT.fullmatch(name)
    elif framework == "google":
        if "parameters" in inner:
            parameters = inner["parameters"]
            assert parameters["type"] == "OBJECT"
            for name in parameters.get("properties", {}):
                assert GOOGLE_ARGUMENT.fullmatch(name)
            _check_google(parameters)
    else:
        assert len(inner["description"]) <= 1024
        _check_root(inner["parameters"])
        if inner["strict"]:
            _check_strict(inner["parameters"])


def _check_root(schema: Mapping[str, Any]) -> None:
    assert schema["type"] == "object"
    assert isinstance(schema["properties"], dict)
    assert not ROOT_COMBINATORS & set(schema)


def _inner(schema: Mapping[str, Any]) -> list[Any]:
    found = [each for key in MAPS for each in schema.get(key, {}).values()]
    found += [each for key in LISTS for each in schema.get(key, [])]
    return found + [schema[key] for key in SINGLES if isinstance(schema.get(key), dict)]


def _check_strict(schema: Mapping[str, Any]) -> None:
    assert set(schema) <= STRICT_KEYWORDS, set(schema) - STRICT_KEYWORDS
    stated: Any = schema.get("type", [])
    kinds: list[Any] = [stated] if isinstance(stated, str) else stated
    assert kinds or "anyOf" in schema or "$ref" in schema
    if "$ref" in schema:
        assert set(schema) == {"$ref"}
    if "object" in kinds:
        assert schema["additionalProperties"] is False
        assert sorted(schema["required"]) == sorted(schema.get("properties", {}))
    if "array" in kinds:
        assert isinstance(schema["items"], dict)
    for each in _inner(schema):
        assert not isinstance(each, bool)
        _check_strict(each)


def _check_google(schema: Mapping[str, Any]) -> None:
    assert set(schema) <= GOOGLE_KEYWORDS, set(schema) - GOOGLE_KEYWORDS
    assert ("type" in schema) != ("anyOf" in schema)
    assert schema.get("type", "STRING") in GOOGLE_TYPES
    assert all(isinstance(each, str) and each for each in schema.get("enum", []))
    assert len(schema.get("enum", [])) == len(set(schema.get("enum", [])))
    assert set(schema.get("required", [])) <= set(schema.get("properties", {}))
    if schema.get("type") == "ARRAY":
        assert isinstance(schema["items"], dict)
    for each in _inner(schema):
        _check_google(each)
