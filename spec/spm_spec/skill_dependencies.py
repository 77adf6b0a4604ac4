"""The ``dependencies`` of skill.yaml: skills, host packages and Python requirements."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spm_spec.fields import is_mapping, kind_of
from spm_spec.names import InvalidName, parse_skill_name
from spm_spec.quoting import quote
from spm_spec.ranges import InvalidRange, VersionRange

if TYPE_CHECKING:
    from spm_spec.fields import Fields
    from spm_spec.yaml import Path

DEPENDENCIES = 512
PYTHON_REQUIREMENTS = 256
SPECIFIER_CHARACTERS = 256

_PYTHON_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_SPECIFIER_PART = re.compile(r"(?:===|==|!=|~=|<=|>=|<|>) *[A-Za-z0-9.!+*_-]{1,100}")


def read_version_range(fields: Fields, path: Path, value: object) -> VersionRange:
    """Return the range at ``path``; a number is read by its text, so ``1.10`` is not ``1.1``.

    Raises:
        InvalidRange: not text, or not a range.

    """
    text = value if isinstance(value, str) else fields.document.text_of(path)
    if text is None or value is None or isinstance(value, bool):
        message = f"a version range is text, not {kind_of(value)}"
        raise InvalidRange(message, text="", hint="write `*` for any version")
    return VersionRange.parse(text)


def read_dependencies(
    fields: Fields, own_name: str | None
) -> tuple[dict[str, VersionRange], dict[str, str]]:
    """Return the skills and host packages with their ranges, and the Python requirements."""
    value = fields.values.get("dependencies")
    if value is None:
        return {}, {}
    if not is_mapping(value) or len(value) > DEPENDENCIES:
        message = f"`dependencies` must map at most {DEPENDENCIES} names to version ranges"
        hint = "write `name: '^1.0.0'`, one a line"
        fields.note("invalid-dependency", ("dependencies",), message, hint=hint)
        return {}, {}
    ranges: dict[str, VersionRange] = {}
    python: dict[str, str] = {}
    for name, item in value.items():
        path: Path = ("dependencies", name)
        if name == "python" and is_mapping(item):
            python = _python_requirements(fields, path, item)
            continue
        try:
            if parse_skill_name(name) == own_name:
                fields.note("invalid-dependency", path, f"`{name}` depends on itself")
                continue
            ranges[name] = read_version_range(fields, path, item)
        except (InvalidName, InvalidRange) as error:
            message = f"dependency {quote(name)}: {error.message}"
            fields.note("invalid-dependency", path, message, hint=error.hint)
    return ranges, python


def _python_requirements(fields: Fields, path: Path, value: dict[str, object]) -> dict[str, str]:
    if len(value) > PYTHON_REQUIREMENTS:
        message = f"`python` lists {len(value)} packages, the limit is {PYTHON_REQUIREMENTS}"
        fields.note("invalid-dependency", path, message)
        return {}
    requirements: dict[str, str] = {}
    for name, item in value.items():
        specifier = item if isinstance(item, str) else fields.document.text_of((*path, name))
        if _PYTHON_NAME.fullmatch(name) and specifier is not None and is_specifier(specifier):
            requirements[name] = specifier.strip()
            continue
        message = f"Python requirement {quote(name)}: {quote(specifier or kind_of(item))}"
        message += " is not a version specifier"
        hint = "write it as pip does, `'>=2.31,<3'`, or `'*'` for any version"
        fields.note("invalid-dependency", (*path, name), message, hint=hint)
    return requirements


def is_specifier(text: str) -> bool:
    """Whether ``text`` is a PEP 440 version specifier set, ``*`` or empty (any version)."""
    if len(text) > SPECIFIER_CHARACTERS:
        return False
    if text.strip() in {"", "*"}:
        return True
    return all(_SPECIFIER_PART.fullmatch(part.strip()) for part in text.split(","))
