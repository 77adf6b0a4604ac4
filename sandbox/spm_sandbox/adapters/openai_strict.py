"""Which schemas OpenAI's strict mode takes, and how to write them its way.

Strict mode makes the model's arguments follow the schema exactly, for a subset
of JSON Schema: every property required, no other properties, every value typed.
A schema inside that subset, or that becomes so by saying more in descriptions
and asking for null where something may be left out, is rewritten. Anything that
would change what the tool accepts is an obstacle, and the tool is not strict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from spm_sandbox.adapters.schema import as_schema, resolve, rewritten, subschemas, with_rules

if TYPE_CHECKING:
    from spm_sandbox.adapters.model import Notebook
    from spm_sandbox.adapters.schema import Path, Schema

MAX_PROPERTIES = 5_000
MAX_DEPTH = 10  # levels of objects
MAX_CHARACTERS = 120_000  # of property names, definition names, enum and const values
MAX_ENUM_VALUES = 1_000
LONG_ENUM_VALUES = 250
MAX_LONG_ENUM_CHARACTERS = 15_000

FORMATS: Final = frozenset(
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"]
)
# What strict mode takes as it is.
_KEPT: Final = frozenset(
    [
        "$defs",
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "description",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "items",
        "maxItems",
        "maximum",
        "minItems",
        "minimum",
        "multipleOf",
        "properties",
        "required",
        "title",
        "type",
    ]
)
# Rules a description can tell; the loader checks them when the call arrives.
_FOLDED: Final = frozenset(["maxLength", "minLength"])
# What tells a reader something and forbids nothing.
_ANNOTATIONS: Final = frozenset(
    [
        "$comment",
        "default",
        "deprecated",
        "examples",
        "readOnly",
        "writeOnly",
        "contentEncoding",
        "contentMediaType",
    ]
)
_DROPPED: Final = frozenset({"$schema", "$id"})
_LOOK_AROUND: Final = re.compile(r"\(\?(?![:P])|\\[1-9]|\(\?P=")


@dataclass(slots=True)
class _Strict:
    """One rewriting: where notes go, and what stands in the way."""

    root: Schema
    notebook: Notebook
    obstacles: list[tuple[Path, str, str]] = field(default_factory=list[tuple["Path", str, str]])

    def refuse(self, path: Path, keyword: str, reason: str) -> None:
        self.obstacles.append((path, keyword, reason))

    def schema(self, value: object, path: Path) -> object:
        """Rewrite one schema and everything inside it."""
        if isinstance(value, bool) or not value:
            self.refuse(path, "type", "a value of any type is not strict")
            return value
        node = self._folded(_with_any_of(cast("Schema", value), path, self.notebook), path)
        node = self._typed(node, path)
        if node.get("type") == "object" or "object" in _types(node):
            return self._closed(node, path)
        return _with_reference_apart(rewritten(node, path, self.schema))

    def _folded(self, node: Schema, path: Path) -> Schema:
        kept: Schema = {}
        rules: Schema = {}
        for keyword, value in node.items():
            if keyword in _KEPT or self._understood(keyword, value):
                kept[keyword] = value
            elif keyword in _FOLDED | _ANNOTATIONS | {"format", "pattern"}:
                rules[keyword] = value
                message = f"`{keyword}` is said in the description"
                self.notebook.add((*path, keyword), keyword, message)
            elif keyword == "definitions":
                kept["$defs"] = {**cast("Schema", value), **cast("Schema", kept.get("$defs", {}))}
            elif keyword not in _DROPPED:
                self.refuse((*path, keyword), keyword, f"`{keyword}` is not strict")
        if rules:
            kept["description"] = with_rules(str(node.get("description", "")), rules)
        return kept

    def _understood(self, keyword: str, value: object) -> bool:
        if keyword == "format":
            return value in FORMATS
        return keyword == "pattern" and not _LOOK_AROUND.search(str(value))

    def _typed(self, node: Schema, path: Path) -> Schema:
        if "$ref" in node:
            return self._referring(node, path)
        if "type" in node or "anyOf" in node:
            if "array" in _types(node) and "items" not in node:
                self.refuse((*path, "items"), "items", "an array without `items` is not strict")
            return node
        inferred = _inferred(node)
        if inferred is None:
            self.refuse(path, "type", "a value of any type is not strict")
            return node
        return {"type": inferred, **node}

    def _referring(self, node: Schema, path: Path) -> Schema:
        reference = str(node["$ref"]).replace("#/definitions/", "#/$defs/")
        beside = set(node) - {"$ref", "description", "title"}
        named = reference.removeprefix("#/$defs/")
        if reference != "#" and (named == reference or "/" in named):
            self.refuse((*path, "$ref"), "$ref", f"the reference `{reference}` is not strict")
        if resolve(self.root, str(node["$ref"])) is None:
            self.refuse((*path, "$ref"), "$ref", f"the reference `{reference}` leads nowhere")
        if beside:
            self.refuse(path, "$ref", "rules beside a `$ref` are not strict")
        return {**node, "$ref": reference}

    def _closed(self, node: Schema, path: Path) -> Schema:
        if node.get("additionalProperties", False) is not False:
            self.refuse(
                (*path, "additionalProperties"),
                "additionalProperties",
                "an object with properties nobody named is not strict",
            )
        properties = dict(cast("Schema", node.get("properties", {})))
        required = cast("list[str]", node.get("required", []))
        for name in required:
            if name not in properties:
                self.refuse((*path, "required"), "required", f"`{name}` has no schema")
        if "additionalProperties" not in node:
            self.notebook.add(path, "additionalProperties", "closed to properties it does not name")
        for name, each in properties.items():
            if name not in required:
                properties[name] = nullable(each)
                place = (*path, "properties", name)
                self.notebook.add(place, "required", "null stands for leaving it out")
        open_node = {k: each for k, each in node.items() if k != "additionalProperties"}
        inner = rewritten({**open_node, "properties": properties}, path, self.schema)
        return {**inner, "required": list(properties), "additionalProperties": False}


def strict_schema(root: Schema, notebook: Notebook) -> Schema | None:
    """Return ``root`` in strict form, or None if it has none.

    ``root`` is as ``rooted`` leaves it. Notes say what was folded, or else every
    obstacle (at most eight).
    """
    before = len(notebook.notes)
    work = _Strict(root, notebook)
    result = cast("Schema", work.schema(root, ()))
    obstacles = work.obstacles or _beyond_limits(result)
    if not obstacles:
        return result
    del notebook.notes[before:]
    for path, keyword, reason in obstacles[:8]:
        notebook.add(path, keyword, f"not strict: {reason}")
    return None


def nullable(value: object) -> Schema:
    """Return a schema that also accepts null, which is how the model leaves something out."""
    schema = as_schema(value)
    if admits_null(schema):
        return schema
    kind = schema.get("type")
    if kind is not None and not {"const", "anyOf", "oneOf", "$ref"} & set(schema):
        kinds = cast("list[str]", kind) if isinstance(kind, list) else [str(kind)]
        result = {**schema, "type": [*kinds, "null"]}
        if "enum" in schema:
            result["enum"] = [*cast("list[object]", schema["enum"]), None]
        return result
    described = {"description": schema["description"]} if "description" in schema else {}
    bare = {keyword: each for keyword, each in schema.items() if keyword != "description"}
    return {"anyOf": [bare, {"type": "null"}], **described}


def admits_null(schema: Schema) -> bool:
    """Whether the schema itself, without following references, says that null is a value."""
    if "const" in schema or "enum" in schema:
        values = cast("list[object]", schema.get("enum", [schema.get("const")]))
        if None not in values:
            return False
    if "type" in schema:
        return "null" in _types(schema)
    choices = schema.get("anyOf", schema.get("oneOf"))
    if isinstance(choices, list):
        return any(admits_null(as_schema(each)) for each in cast("list[object]", choices))
    return "const" in schema or "enum" in schema


def _types(node: Schema) -> list[str]:
    kind = node.get("type", [])
    return cast("list[str]", kind) if isinstance(kind, list) else [str(kind)]


def _with_any_of(node: Schema, path: Path, notebook: Notebook) -> Schema:
    if "oneOf" not in node or "anyOf" in node:
        return node
    notebook.add((*path, "oneOf"), "oneOf", "`oneOf` became `anyOf`")
    return {("anyOf" if keyword == "oneOf" else keyword): each for keyword, each in node.items()}


def _with_reference_apart(node: Schema) -> Schema:
    """Put a described reference inside ``anyOf``: beside ``$ref`` nothing may stand."""
    if "$ref" not in node or len(node) == 1:
        return node
    beside = {keyword: each for keyword, each in node.items() if keyword != "$ref"}
    return {"anyOf": [{"$ref": node["$ref"]}], **beside}


def _inferred(node: Schema) -> str | list[str] | None:
    """Return the type that the other keywords imply, if they imply one."""
    if "properties" in node:
        return "object"
    if "items" in node:
        return "array"
    if "const" in node or "enum" in node:
        values = cast("list[object]", node.get("enum", [node.get("const")]))
        kinds = list(dict.fromkeys(json_type(each) for each in values))
        if kinds and not {"array", "object"} & set(kinds):
            return kinds[0] if len(kinds) == 1 else kinds
    return None


def json_type(value: object) -> str:
    """Return JSON Schema's word for the type of a JSON value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _beyond_limits(root: Schema) -> list[tuple[Path, str, str]]:
    """Return the limits of strict mode that the schema passes."""
    found: list[tuple[Path, str, str]] = []
    properties = values = characters = 0
    pending: list[tuple[Path, object, int]] = [((), root, 1)]
    while pending:
        path, value, depth = pending.pop()
        node = as_schema(value)
        names = [
            *cast("Schema", node.get("properties", {})),
            *cast("Schema", node.get("$defs", {})),
        ]
        options = cast("list[object]", node.get("enum", []))
        option_characters = sum(len(str(each)) for each in options)
        properties += len(cast("Schema", node.get("properties", {})))
        values += len(options)
        characters += sum(map(len, names)) + option_characters + len(str(node.get("const", "")))
        if len(options) > LONG_ENUM_VALUES and option_characters > MAX_LONG_ENUM_CHARACTERS:
            reason = f"{len(options)} values of {option_characters} characters are too long"
            found.append(((*path, "enum"), "enum", reason))
        if depth > MAX_DEPTH:
            found.append((path, "properties", f"more than {MAX_DEPTH} levels of objects"))
            break
        deeper = depth + 1
        pending.extend(
            (place, each, deeper if "properties" in place[len(path) :] else depth)
            for place, each in subschemas(node, path)
        )
    totals = (
        (properties, MAX_PROPERTIES, "properties"),
        (characters, MAX_CHARACTERS, "characters of names and values"),
        (values, MAX_ENUM_VALUES, "enum values"),
    )
    found.extend(
        ((), "properties", f"{count} {what}, strict mode takes {most}")
        for count, most, what in totals
        if count > most
    )
    return found
