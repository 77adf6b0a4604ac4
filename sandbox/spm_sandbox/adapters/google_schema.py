"""Google's ``Schema``: an OpenAPI 3.0 subset without references, constants or unions of types.

Everything the subset has is translated; what it lacks is said in the description
of the nearest schema, as JSON Schema, and noted. References are written out;
where they come back to themselves, or the result would grow past its limits, the
value is left open and noted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from spm_sandbox.adapters.openai_strict import json_type
from spm_sandbox.adapters.schema import as_schema, is_list, is_mapping, resolve, with_rules

if TYPE_CHECKING:
    from spm_sandbox.adapters.model import Notebook
    from spm_sandbox.adapters.schema import Path, Schema

MAX_GOOGLE_NODES = 2_000  # schemas in one declaration, after references are written out
MAX_GOOGLE_DEPTH = 32
MAX_INT64 = 2**63 - 1

FORMATS: Final = {
    "string": frozenset({"date-time"}),
    "number": frozenset({"float", "double"}),
    "integer": frozenset({"int32", "int64"}),
}
_KEYWORDS_OF: Final = {
    "string": ("minLength", "maxLength", "pattern"),
    "number": ("minimum", "maximum"),
    "integer": ("minimum", "maximum"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
    "boolean": (),
}
_SIZES: Final = frozenset(
    {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
)
# Read by a rule of their own below, or without meaning once references are written out.
_HANDLED: Final = frozenset(
    [
        "$comment",
        "$defs",
        "$id",
        "$ref",
        "$schema",
        "additionalProperties",
        "allOf",
        "anyOf",
        "const",
        "default",
        "definitions",
        "description",
        "enum",
        "examples",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "items",
        "nullable",
        "oneOf",
        "prefixItems",
        "properties",
        "required",
        "title",
        "type",
    ]
)


@dataclass(slots=True)
class _Google:
    """One translation: the document references point into, and what has been spent."""

    root: Schema
    notebook: Notebook
    nodes: int = 0
    open_references: list[str] = field(default_factory=list[str])

    def schema(self, value: object, path: Path, depth: int) -> Schema:
        """Translate one schema and everything inside it."""
        self.nodes += 1
        if self.nodes > MAX_GOOGLE_NODES or depth > MAX_GOOGLE_DEPTH:
            self.notebook.add(path, "$ref", "too large when written out; left open from here")
            return any_value()
        node = as_schema(value)
        reference = node.get("$ref")
        if isinstance(reference, str):
            return self._written_out(node, reference, path, depth)
        return self._translated(node, path, depth)

    def _written_out(self, node: Schema, reference: str, path: Path, depth: int) -> Schema:
        target = resolve(self.root, reference)
        if target is None or reference in self.open_references:
            why = "leads nowhere" if target is None else "comes back to itself"
            self.notebook.add((*path, "$ref"), "$ref", f"`{reference}` {why}; left open there")
            described = str(node.get("description", "") or (target or {}).get("description", ""))
            return {**any_value(), **({"description": described} if described else {})}
        beside = {keyword: each for keyword, each in node.items() if keyword != "$ref"}
        self.open_references.append(reference)
        try:
            return self.schema({**target, **beside}, path, depth + 1)
        finally:
            self.open_references.pop()

    def _translated(self, node: Schema, path: Path, depth: int) -> Schema:
        node = self._merged(node, path)
        rules = {keyword: each for keyword, each in node.items() if keyword not in _HANDLED}
        kinds = _kinds(node)
        nullable = "null" in kinds or node.get("nullable") is True
        kinds = [kind for kind in kinds if kind != "null"]
        choices = node.get("anyOf", node.get("oneOf"))
        result: Schema = {"type": "STRING"}
        if "oneOf" in node:
            self.notebook.add((*path, "oneOf"), "oneOf", "`oneOf` became `anyOf`")
            if "anyOf" in node:
                rules["oneOf"] = node["oneOf"]
        if is_list(choices):
            result, null_choice = self._choice(node, choices, path, depth)
            nullable = nullable or null_choice
            rules = self._beside_choice(node, rules)
        elif len(kinds) == 1:
            result = self._of_kind(kinds[0], node, rules, path, depth)
        elif kinds:
            result = self._union(kinds, node, rules, path, depth)
        elif nullable:
            rules["type"] = "null"  # the subset has no type of null alone
        else:
            result = any_value()
        if nullable:
            result["nullable"] = True
        return self._described(result, node, rules, path)

    def _merged(self, node: Schema, path: Path) -> Schema:
        """Fold ``allOf`` into the schema where no two parts speak of one keyword."""
        if "allOf" not in node:
            return node
        result = {keyword: each for keyword, each in node.items() if keyword != "allOf"}
        left: list[object] = []
        for each in cast("list[object]", node["allOf"]):
            part = as_schema(each)
            reference = part.get("$ref")
            if isinstance(reference, str) and reference not in self.open_references:
                part = {**(resolve(self.root, reference) or {}), **part}
                part.pop("$ref", None)
            merged = _merge(result, part)
            if merged is None:
                left.append(each)
            else:
                result = merged
        if left:
            result["allOf "] = left  # the space keeps it a rule, never a keyword
        self.notebook.add((*path, "allOf"), "allOf", "`allOf` is written as one schema")
        return result

    def _beside_choice(self, node: Schema, rules: Schema) -> Schema:
        beside = set(node) - _HANDLED | ({"properties", "items", "enum", "const"} & set(node))
        return {**rules, **{keyword: node[keyword] for keyword in node if keyword in beside}}

    def _choice(
        self, node: Schema, choices: list[object], path: Path, depth: int
    ) -> tuple[Schema, bool]:
        keyword = "anyOf" if "anyOf" in node else "oneOf"
        translated: list[Schema] = []
        null_choice = False
        for index, each in enumerate(choices):
            if as_schema(each).get("type") == "null":
                null_choice = True
                continue
            place = (*path, keyword, str(index))
            translated.append(self.schema(each, place, depth + 1))
        if len(translated) == 1:
            return translated[0], null_choice
        return ({"anyOf": translated} if translated else any_value()), null_choice

    def _union(
        self, kinds: list[str], node: Schema, rules: Schema, path: Path, depth: int
    ) -> Schema:
        """Write a union of types as a choice, each with the keywords that are its own."""
        self.notebook.add((*path, "type"), "type", "several types became `anyOf`")
        self.nodes += len(kinds)
        bare = {k: v for k, v in node.items() if k not in {"default", "description", "title"}}
        choices = [self._of_kind(kind, bare, rules, path, depth + 1) for kind in kinds]
        return {"anyOf": choices}

    def _of_kind(self, kind: str, node: Schema, rules: Schema, path: Path, depth: int) -> Schema:
        result: Schema = {"type": kind.upper()}
        for keyword in _KEYWORDS_OF[kind]:
            if keyword in rules and self._fits(keyword, node[keyword]):
                result[keyword] = (
                    int(cast("float", node[keyword])) if keyword in _SIZES else node[keyword]
                )
        if kind == "object":
            result |= self._object(node, rules, path, depth)
        if kind == "array":
            result |= self._array(node, rules, path, depth)
        if kind in {"integer", "number"}:
            self._bounds(kind, node, result, rules)
        if "format" in node:
            if node["format"] in FORMATS.get(kind, ()):
                result["format"] = node["format"]
            else:
                rules["format"] = node["format"]
        return result | self._options(kind, node, rules)

    def _fits(self, keyword: str, value: object) -> bool:
        return keyword not in _SIZES or cast("float", value) <= MAX_INT64

    def _object(self, node: Schema, rules: Schema, path: Path, depth: int) -> Schema:
        result: Schema = {}
        properties = cast("Schema", node.get("properties", {}))
        translated = {
            name: self.schema(each, (*path, "properties", name), depth + 1)
            for name, each in properties.items()
        }
        required = list(dict.fromkeys(cast("list[str]", node.get("required", []))))
        for name in required:
            translated.setdefault(name, any_value())
        if translated:
            result["properties"] = translated
            result["propertyOrdering"] = list(translated)
        if required:
            result["required"] = required
        more = node.get("additionalProperties")
        if is_mapping(more):
            place = (*path, "additionalProperties")
            result["additionalProperties"] = self.schema(more, place, depth + 1) if more else True
        elif isinstance(more, bool):
            result["additionalProperties"] = more
        elif not translated:
            result["additionalProperties"] = True
        if "patternProperties" in rules and result.get("additionalProperties") is False:
            result["additionalProperties"] = True
        return result

    def _array(self, node: Schema, rules: Schema, path: Path, depth: int) -> Schema:
        listed = node.get("prefixItems")
        if not is_list(listed):
            items = node.get("items", {})
            if is_list(items):  # the tuple of older drafts
                listed, items = items, node.get("additionalItems", {})
            else:
                return {"items": self.schema(items, (*path, "items"), depth + 1)}
        else:
            items = node.get("items", {})
        firsts = [
            self.schema(each, (*path, "prefixItems", str(index)), depth + 1)
            for index, each in enumerate(listed)
        ]
        rules["prefixItems"] = listed
        self.notebook.add((*path, "prefixItems"), "prefixItems", "places became a choice of items")
        if items is False:
            most = node.get("maxItems", len(firsts))
            return {
                "items": _any_of(firsts),
                "maxItems": min(len(firsts), int(cast("float", most))),
            }
        rest = self.schema(items, (*path, "items"), depth + 1)
        return {"items": _any_of([*firsts, rest])}

    def _bounds(self, kind: str, node: Schema, result: Schema, rules: Schema) -> None:
        for keyword, inclusive, step in (
            ("exclusiveMinimum", "minimum", 1),
            ("exclusiveMaximum", "maximum", -1),
        ):
            if keyword not in node:
                continue
            bound = node[keyword]
            if kind == "integer" and isinstance(bound, int) and inclusive not in node:
                result[inclusive] = bound + step
            else:
                rules[keyword] = bound

    def _options(self, kind: str, node: Schema, rules: Schema) -> Schema:
        if "enum" not in node and "const" not in node:
            return {}
        options = cast("list[object]", node.get("enum", [node.get("const")]))
        mine = [each for each in options if _is_of(each, kind)]
        texts = [str(each) for each in mine]
        if kind in {"string", "integer"} and texts and "" not in texts:
            return {"enum": list(dict.fromkeys(texts)), "format": "enum"}
        keyword = "enum" if "enum" in node else "const"
        rules[keyword] = node[keyword]
        return {}

    def _described(self, result: Schema, node: Schema, rules: Schema, path: Path) -> Schema:
        """Add the annotations, and say the rules that found no place in ``result``."""
        left = {
            keyword.strip(): each
            for keyword, each in rules.items()
            if keyword not in result or result[keyword] != each
        }
        for keyword in left:
            self.notebook.add((*path, keyword), keyword, f"`{keyword}` is said in the description")
        description = str(node.get("description", "") or node.get("title", ""))
        if "title" in node and "description" in node:
            self.notebook.add((*path, "title"), "title", "the title is left out")
        described = with_rules(description, left)
        if described:
            result["description"] = described
        if "default" in node:
            result["default"] = node["default"]
        examples = cast("list[object]", node.get("examples", []))
        if examples:
            result["example"] = examples[0]
            if len(examples) > 1:
                message = "only the first example is kept"
                self.notebook.add((*path, "examples"), "examples", message)
        return result


def google_schema(root: Schema, notebook: Notebook) -> tuple[Schema, bool]:
    """Return ``root`` (as ``rooted`` leaves it) in Google's subset, and whether it takes any."""
    result = _Google(root, notebook).schema(root, (), 0)
    return result, "properties" in result or result.get("additionalProperties") is True


def any_value() -> Schema:
    """Return the schema of any JSON value; Google's subset has no empty schema."""
    scalars: list[object] = [{"type": kind} for kind in ("STRING", "NUMBER", "BOOLEAN")]
    listed = {"type": "ARRAY", "items": {"type": "STRING"}}
    mapping = {"type": "OBJECT", "additionalProperties": True}
    return {"anyOf": [*scalars, listed, mapping]}


def _any_of(schemas: list[Schema]) -> Schema:
    different: list[Schema] = []
    for each in schemas:
        if each not in different:
            different.append(each)
    return different[0] if len(different) == 1 else {"anyOf": different}


def _kinds(node: Schema) -> list[str]:
    """Return the types a schema allows, said or implied; none means any."""
    kind = node.get("type")
    if isinstance(kind, str):
        return [kind]
    if is_list(kind):
        return list(dict.fromkeys(cast("list[str]", kind)))
    if "enum" in node or "const" in node:
        options = cast("list[object]", node.get("enum", [node.get("const")]))
        return list(dict.fromkeys(json_type(each) for each in options))
    if "properties" in node or "additionalProperties" in node:
        return ["object"]
    return ["array"] if {"items", "prefixItems"} & set(node) else []


def _is_of(value: object, kind: str) -> bool:
    found = json_type(value)
    return found == kind or (kind == "number" and found == "integer")


def _merge(first: Schema, second: Schema) -> Schema | None:
    """Return the two schemas as one, or None where they speak of the same thing differently."""
    result = dict(first)
    for keyword, value in second.items():
        if keyword not in result or result[keyword] == value:
            result[keyword] = value
        elif keyword == "required":
            known = cast("list[str]", result[keyword])
            result[keyword] = list(dict.fromkeys([*known, *cast("list[str]", value)]))
        elif keyword == "properties":
            known_properties = cast("Schema", result[keyword])
            new = cast("Schema", value)
            if any(known_properties.get(name, each) != each for name, each in new.items()):
                return None
            result[keyword] = {**known_properties, **new}
        elif keyword not in {"description", "title", "$comment", "$defs", "definitions"}:
            return None
    return result
