"""skill.yaml: everything about a skill that the public specification has no field for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spm_spec.checksum import CHECKSUM_PATTERN
from spm_spec.fields import (
    check_compatibility,
    check_description,
    check_name,
    dotted,
    is_list,
    is_mapping,
    kind_of,
)
from spm_spec.names import is_skill_name
from spm_spec.policy import NOTHING, InvalidPolicy, parse_policy
from spm_spec.quoting import quote
from spm_spec.ranges import InvalidRange, VersionRange
from spm_spec.skill_dependencies import read_dependencies, read_version_range
from spm_spec.skill_model import Framework, Tool
from spm_spec.skill_tools import read_tools
from spm_spec.versions import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from spm_spec.fields import Fields
    from spm_spec.policy import Policy
    from spm_spec.yaml import Path

KEYS = (
    *("name", "version", "description", "license", "compatibility", "author", "repository"),
    *("homepage", "tags", "capabilities", "frameworks", "dependencies", "tools", "permissions"),
    *("checksum", "signing"),
)
FRAMEWORK_KEYS = ("name", "compatibility", "instructions-file")
AUTHOR_CHARACTERS = 200
URL_CHARACTERS = 2048
WORDS = 32
WORD_CHARACTERS = 64

_WORD = re.compile(r"[a-z0-9]+(?:[-._:+][a-z0-9]+)*")
_URL = re.compile(
    r"https://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?(?:[/?#][!-~]*)?"
)


@dataclass(frozen=True, slots=True)
class YamlFields:
    """What skill.yaml says; every field may be silent."""

    permissions: Policy
    """What the skill asks for; nothing if it asks for nothing."""
    name: str | None = None
    version: Version | None = None
    description: str | None = None
    license: str | None = None
    compatibility: str | None = None
    author: str | None = None
    repository: str | None = None
    homepage: str | None = None
    tags: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    frameworks: tuple[Framework, ...] = ()
    dependencies: Mapping[str, VersionRange] = field(default_factory=dict[str, VersionRange])
    python_requirements: Mapping[str, str] = field(default_factory=dict[str, str])
    tools: tuple[Tool, ...] = ()
    checksum: str | None = None
    signing: Mapping[str, object] = field(default_factory=dict[str, object])


def read_yaml_fields(
    fields: Fields, paths: Collection[str], *, markdown_name: str | None
) -> YamlFields:
    """Return what is valid, noting the rest; ``paths`` are the files of the skill."""
    fields.unknown("unknown-key", (), KEYS)
    name, description, compatibility = _described(fields)
    dependencies, python_requirements = read_dependencies(fields, name or markdown_name)
    return YamlFields(
        name=name,
        version=_version(fields),
        description=description,
        license=_text(fields, "license"),
        compatibility=compatibility,
        author=_text(fields, "author"),
        repository=_url(fields, "repository"),
        homepage=_url(fields, "homepage"),
        tags=_words(fields, "tags"),
        capabilities=_words(fields, "capabilities"),
        frameworks=_frameworks(fields, paths),
        dependencies=dependencies,
        python_requirements=python_requirements,
        tools=read_tools(fields, paths),
        permissions=_permissions(fields),
        checksum=_checksum(fields),
        signing=_signing(fields),
    )


def _described(fields: Fields) -> tuple[str | None, str | None, str | None]:
    name, description = _text(fields, "name"), _text(fields, "description")
    compatibility = _text(fields, "compatibility")
    if name is not None:
        check_name(fields, name)
    if description is not None:
        check_description(fields, description)
    if compatibility is not None:
        check_compatibility(fields, compatibility)
    return name, description, compatibility


def _text(fields: Fields, key: str) -> str | None:
    """Return a field that is text; empty or of another kind, it counts as not written."""
    if key not in fields.values:
        return None
    text = fields.scalar(key, code="invalid-field")
    if text is not None and text.strip():
        stripped = text.strip()
        if key != "author" or len(stripped) <= AUTHOR_CHARACTERS:
            return stripped
        message = f"`author` has {len(stripped)} characters, the limit is {AUTHOR_CHARACTERS}"
        fields.note("invalid-field", (key,), message)
    elif text is not None or fields.values[key] is None:
        fields.note("invalid-field", (key,), f"`{key}` is empty", hint="leave it out")
    return None


def _version(fields: Fields) -> Version | None:
    if fields.values.get("version") is None:
        return None
    # `version: 1.0` is a number in YAML; the text is what was meant.
    text = fields.document.text_of(("version",))
    if text is None:
        message = f"`version` is {kind_of(fields.values['version'])}, not a version"
        fields.note("invalid-version", ("version",), message)
        return None
    try:
        return Version.parse(text)
    except InvalidVersion as error:
        fields.note("invalid-version", ("version",), error.message, hint=error.hint)
        return None


def _url(fields: Fields, key: str) -> str | None:
    text = _text(fields, key)
    if text is None or (len(text) <= URL_CHARACTERS and _URL.fullmatch(text)):
        return text
    message = f"`{key}` is {quote(text)}, not an https address"
    fields.note("invalid-url", (key,), message, hint="write it as `https://host/path`")
    return None


def _words(fields: Fields, key: str) -> tuple[str, ...]:
    value = fields.values.get(key)
    if value is None:
        return ()
    if not is_list(value) or len(value) > WORDS:
        message = f"`{key}` must be a list of at most {WORDS} words"
        fields.note("invalid-word", (key,), message)
        return ()
    words: list[str] = []
    for at, item in enumerate(value):
        word = item if isinstance(item, str) else fields.document.text_of((key, at)) or ""
        if len(word) > WORD_CHARACTERS or _WORD.fullmatch(word) is None:
            message = f"{quote(word)} in `{key}` is not a lower-case word"
            hint = "use letters, digits and single `-`, `.`, `_`, `:` or `+` between them"
            fields.note("invalid-word", (key, at), message, hint=hint)
        elif word not in words:
            words.append(word)
    return tuple(words)


def _frameworks(fields: Fields, paths: Collection[str]) -> tuple[Framework, ...]:
    value = fields.values.get("frameworks")
    if value is None:
        return ()
    if not is_list(value) or len(value) > WORDS:
        message = f"`frameworks` must be a list of at most {WORDS} frameworks"
        fields.note("invalid-framework", ("frameworks",), message)
        return ()
    read = [_framework(fields, ("frameworks", at), paths) for at in range(len(value))]
    return tuple(framework for framework in read if framework is not None)


def _framework(fields: Fields, path: Path, paths: Collection[str]) -> Framework | None:
    value = fields.at(path)
    value = {"name": value} if isinstance(value, str) else value
    if not is_mapping(value):
        fields.note("invalid-framework", path, f"a framework is a mapping, not {kind_of(value)}")
        return None
    fields.unknown("unknown-key", path, FRAMEWORK_KEYS)
    name, text = value.get("name"), value.get("compatibility", "*")
    instructions = value.get("instructions-file")
    if not isinstance(name, str) or not is_skill_name(name):
        message = "a framework needs a `name` of lower-case letters, digits and hyphens"
        fields.note("invalid-framework", (*path, "name"), message)
        return None
    try:
        compatibility = read_version_range(fields, (*path, "compatibility"), text)
    except InvalidRange as error:
        fields.note("invalid-framework", (*path, "compatibility"), error.message, hint=error.hint)
        return None
    if instructions is not None and instructions not in paths:
        shown = quote(instructions) if isinstance(instructions, str) else kind_of(instructions)
        message = f"the instructions of `{name}` are in {shown}, which the skill lacks"
        fields.note("missing-instructions", (*path, "instructions-file"), message)
        instructions = None
    return Framework(name, compatibility, instructions if isinstance(instructions, str) else None)


def _permissions(fields: Fields) -> Policy:
    last: list[Path] = [()]

    def where(path: Path) -> str:
        last[0] = path
        return dotted(("permissions", *path))

    value = fields.values.get("permissions")
    try:
        return NOTHING if value is None else parse_policy(value, where=where)
    except InvalidPolicy as error:
        path = ("permissions", *last[0])
        fields.note("invalid-permissions", path, error.message, hint=error.hint)
        return NOTHING


def _checksum(fields: Fields) -> str | None:
    text = _text(fields, "checksum")
    if text is None or CHECKSUM_PATTERN.fullmatch(text):
        return text
    message = f"`checksum` is {quote(text)}, not `sha256:` and 64 lower-case hex digits"
    hint = "leave it out; packing writes it"
    fields.note("invalid-checksum", ("checksum",), message, hint=hint)
    return None


def _signing(fields: Fields) -> Mapping[str, object]:
    value = fields.values.get("signing")
    if value is None or is_mapping(value):
        return value or {}
    fields.note("invalid-field", ("signing",), f"`signing` is {kind_of(value)}, not a mapping")
    return {}
