"""JSON Schema (2020-12) as the adapters read it: checked once, then walked without surprises.

``checked_schema`` is the gate. Behind it every keyword the adapters look at has
the shape the standard gives it, nothing is deeper or larger than the limits, and
all containers are plain dictionaries and lists. So the translations may recurse.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias, TypeGuard, cast

from spm_sandbox.adapters.json_text import compact
from spm_sandbox.adapters.model import Untranslatable, pointer

if TYPE_CHECKING:
    from spm_sandbox.adapters.model import Notebook

Schema: TypeAlias = dict[str, object]
Path: TypeAlias = tuple[str, ...]

MAX_SCHEMA_DEPTH = 64  # levels of JSON, not of schemas
MAX_SCHEMA_NODES = 20_000  # values in one schema
MAX_FOLDED_CHARACTERS = 2_000  # of rules told in one description

TYPES: Final = ("string", "number", "integer", "boolean", "array", "object", "null")
ONE_SCHEMA: Final = frozenset(
    [
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    ]
)
LISTED_SCHEMAS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
NAMED_SCHEMAS: Final = frozenset(
    {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
)
_TEXTS: Final = frozenset({"$ref", "$dynamicRef", "description", "format", "pattern", "title"})
_SIZES: Final = frozenset(
    {"maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"}
)
_NUMBERS: Final = frozenset(
    {"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"}
)
# What no provider takes at the top of a tool's schema.
_NOT_AT_ROOT: Final = ("allOf", "anyOf", "oneOf", "not", "enum", "const")


def is_list(value: object) -> TypeGuard[list[object]]:
    """Whether ``value`` is a JSON array."""
    return isinstance(value, list)


def is_mapping(value: object) -> TypeGuard[Schema]:
    """Whether ``value`` is a JSON object."""
    return isinstance(value, dict)


def checked_schema(tool: str, schema: Mapping[str, object]) -> Schema:
    """Return ``schema`` as plain containers, every keyword of the shape the standard gives it.

    Raises:
        Untranslatable: it is too deep, too large, or a keyword is malformed;
            the message has the JSON pointer.
    """
    copied = cast("Schema", _plain_copy(tool, schema))
    pending: list[tuple[Path, object]] = [((), copied)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, bool):
            continue
        if not is_mapping(value):
            raise Untranslatable(f"tool `{tool}`: {pointer(path) or '/'}: a schema is a mapping")
        node = value
        for keyword, item in node.items():
            if not _well_formed(keyword, item):
                place = pointer((*path, keyword))
                raise Untranslatable(f"tool `{tool}`: {place}: not what `{keyword}` can hold")
        pending.extend((where, each) for where, each in subschemas(node, path))
    return copied


def _plain_copy(tool: str, value: object) -> object:
    """Copy containers, counting; recursion stops at MAX_SCHEMA_DEPTH."""
    count = 0

    def copy(item: object, depth: int) -> object:
        nonlocal count
        count += 1
        if depth > MAX_SCHEMA_DEPTH:
            raise Untranslatable(
                f"tool `{tool}`: the schema is nested deeper than {MAX_SCHEMA_DEPTH} levels"
            )
        if count > MAX_SCHEMA_NODES:
            raise Untranslatable(
                f"tool `{tool}`: the schema has more than {MAX_SCHEMA_NODES} values"
            )
        if isinstance(item, Mapping):
            pairs = cast("Mapping[object, object]", item).items()
            return {str(key): copy(each, depth + 1) for key, each in pairs}
        if isinstance(item, Sequence) and not isinstance(item, str | bytes):
            return [copy(each, depth + 1) for each in cast("Sequence[object]", item)]
        if item is None or isinstance(item, bool | int | str):
            return item
        if isinstance(item, float) and math.isfinite(item):
            return item
        raise Untranslatable(f"tool `{tool}`: the schema holds a value JSON does not have")

    return copy(value, 0)


def _is_size(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float) and value >= 0 and value == int(value)


def is_type(value: object) -> bool:
    """Whether ``value`` may stand after ``type``."""
    if isinstance(value, str):
        return value in TYPES
    return (
        is_texts(value) and bool(value) and all(each in TYPES for each in cast("list[str]", value))
    )


def is_texts(value: object) -> bool:
    """Whether ``value`` is a list of strings."""
    return is_list(value) and all(isinstance(each, str) for each in value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SHAPES: Final[Mapping[str, Callable[[object], bool]]] = {
    **dict.fromkeys(_TEXTS, lambda value: isinstance(value, str)),
    **dict.fromkeys(_SIZES, _is_size),
    **dict.fromkeys(_NUMBERS, _is_number),
    **dict.fromkeys(NAMED_SCHEMAS, is_mapping),
    **dict.fromkeys(LISTED_SCHEMAS, lambda value: is_list(value) and bool(value)),
    **dict.fromkeys(("enum", "examples"), is_list),
    "type": is_type,
    "required": is_texts,
}


def _well_formed(keyword: str, value: object) -> bool:
    shape = _SHAPES.get(keyword)
    return shape is None or shape(value)


def subschemas(node: Schema, path: Path) -> list[tuple[Path, object]]:
    """Return the schemas directly inside ``node`` with their paths, in the order written."""
    found: list[tuple[Path, object]] = []
    for keyword, value in node.items():
        if keyword in NAMED_SCHEMAS and is_mapping(value):
            named = value
            found.extend(((*path, keyword, name), each) for name, each in named.items())
        elif is_list(value) and (keyword in LISTED_SCHEMAS or keyword == "items"):
            listed = value
            found.extend(((*path, keyword, str(i)), each) for i, each in enumerate(listed))
        elif keyword in ONE_SCHEMA:
            found.append(((*path, keyword), value))
    return found


def rewritten(node: Schema, path: Path, function: Callable[[object, Path], object]) -> Schema:
    """Return ``node`` with ``function`` applied to each schema directly inside it."""
    result: Schema = {}
    for keyword, value in node.items():
        here = (*path, keyword)
        if keyword in NAMED_SCHEMAS and is_mapping(value):
            named = value
            result[keyword] = {name: function(each, (*here, name)) for name, each in named.items()}
        elif is_list(value) and (keyword in LISTED_SCHEMAS or keyword == "items"):
            listed = value
            result[keyword] = [function(each, (*here, str(i))) for i, each in enumerate(listed)]
        elif keyword in ONE_SCHEMA:
            result[keyword] = function(value, here)
        else:
            result[keyword] = value
    return result


def as_schema(value: object) -> Schema:
    """Return a boolean schema as the mapping that means the same."""
    if is_mapping(value):
        return value
    return {} if value else {"not": {}}


def resolve(root: Schema, reference: str) -> Schema | None:
    """Return what a reference within the document points to, or None if it leads nowhere."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return None
    place: object = root
    for raw in reference[2:].split("/"):
        part = raw.replace("~1", "/").replace("~0", "~")
        if is_mapping(place) and part in place:
            place = place[part]
        elif is_list(place) and part.isdecimal() and len(part) <= 5:  # noqa: PLR2004 - digits of an index within MAX_SCHEMA_NODES
            items = place
            if int(part) >= len(items):
                return None
            place = items[int(part)]
        else:
            return None
    return as_schema(place) if is_mapping(place) or isinstance(place, bool) else None


def with_rules(description: str, rules: Mapping[str, object]) -> str:
    """Return a description that also says, in JSON Schema, what had to leave the schema."""
    if not rules:
        return description
    text = compact(dict(rules))
    if len(text) > MAX_FOLDED_CHARACTERS:
        text = text[: MAX_FOLDED_CHARACTERS - 1] + "…"
    sentence = f"Must also satisfy this JSON Schema: {text}"
    return f"{description.rstrip()}\n{sentence}" if description.strip() else sentence


def rooted(schema: Schema, notebook: Notebook) -> tuple[Schema, Schema]:
    """Return the schema with a root every provider accepts, and the rules that had to leave it.

    The root is ``type: object`` with ``properties`` and no combinators. Properties
    that only a branch of a combinator names are lifted beside the others, so that
    the model still sees them; the combinator itself is among the rules.

    Raises:
        Untranslatable: no object can satisfy the root.
    """
    root = _dereferenced(schema, notebook)
    kind = root.get("type", "object")
    if kind != "object" and not (is_list(kind) and "object" in kind):
        raise Untranslatable(
            f"tool `{notebook.tool}`: the input is of type {compact(kind)}, a tool takes an object",
            hint="describe the arguments as `properties` of an object",
        )
    if kind != "object":
        notebook.add(("type",), "type", "the arguments are always an object; other types left out")
    rules: Schema = {keyword: root[keyword] for keyword in _NOT_AT_ROOT if keyword in root}
    properties = dict(cast("Schema", root.get("properties", {})))
    required = list(cast("list[str]", root.get("required", [])))
    for keyword, value in rules.items():
        notebook.add((keyword,), keyword, f"`{keyword}` at the top is said in the description")
        for branch in _branches(schema, keyword, value):
            _lift(branch, keyword, properties, required)
    result: Schema = {"type": "object", "properties": properties}
    if required:
        result["required"] = list(dict.fromkeys(required))
    kept = {k: v for k, v in root.items() if k not in rules and k not in result}
    return result | {k: v for k, v in kept.items() if k != "required"}, rules


def _dereferenced(schema: Schema, notebook: Notebook) -> Schema:
    """Replace a reference at the root by what it points to, keeping what stands beside it."""
    root = schema
    seen: set[str] = set()
    while isinstance(reference := root.get("$ref"), str) and reference not in seen:
        seen.add(reference)
        target = resolve(schema, reference)
        beside = {keyword: value for keyword, value in root.items() if keyword != "$ref"}
        if target is None or target is schema:
            notebook.add(("$ref",), "$ref", f"`{reference}` leads nowhere and is left out")
            return beside
        root = {**target, **beside}
    return {keyword: value for keyword, value in root.items() if keyword != "$ref"}


def _branches(schema: Schema, keyword: str, value: object) -> list[Schema]:
    if keyword not in LISTED_SCHEMAS:
        return []
    branches: list[Schema] = []
    for each in cast("list[object]", value):
        branch = as_schema(each)
        reference = branch.get("$ref")
        target = resolve(schema, reference) if isinstance(reference, str) else None
        branches.append(branch if target is None else {**target, **branch})
    return branches


def _lift(branch: Schema, keyword: str, properties: Schema, required: list[str]) -> None:
    for name, each in cast("Schema", branch.get("properties", {})).items():
        known = properties.get(name)
        if known is None:
            properties[name] = each
        elif known != each and keyword != "allOf":
            properties[name] = _either(known, each)
    if keyword == "allOf":
        required.extend(cast("list[str]", branch.get("required", [])))


def _either(known: object, other: object) -> Schema:
    """Return a schema that accepts both; what a branch forbids is the rules' to say."""
    if is_mapping(known) and list(known) == ["anyOf"]:
        choices = cast("list[object]", known["anyOf"])
        return {"anyOf": choices if other in choices else [*choices, other]}
    return {"anyOf": [known, other]}


def with_sound_references(root: Schema, notebook: Notebook) -> Schema:
    """Return the schema without references that lead out of it or nowhere."""

    def repair(value: object, path: Path) -> object:
        if not is_mapping(value):
            return value
        node = value
        broken: Schema = {}
        for keyword in ("$ref", "$dynamicRef"):
            reference = node.get(keyword)
            if isinstance(reference, str) and resolve(root, reference) is None:
                broken[keyword] = reference
                notebook.add(
                    (*path, keyword),
                    keyword,
                    f"`{reference}` leads nowhere here; said in the description",
                )
        if broken:
            node = {keyword: item for keyword, item in node.items() if keyword not in broken}
            node["description"] = with_rules(str(node.get("description", "")), broken)
        return rewritten(node, path, repair)

    return cast("Schema", repair(root, ()))
