"""Changing the text of ``skills.toml`` while its comments and order stay.

Every result is read again before it is returned: an edit that would not mean what was
asked for is refused, and nothing is lost.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from spm_spec.manifest import InvalidManifest, parse_manifest
from spm_spec.sources import GitSource, RegistryName, Requirement, normal_registry_url

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from spm_spec.manifest import Manifest

_SKILLS_HEADER = re.compile(r"\[[ \t]*skills[ \t]*\]")
_FIRST_MANIFEST = """\
# What this project asks for. `spm add NAME` adds a line, `spm install` brings it here.

[skills]
"""


def new_manifest(*, registry: str | None = None) -> str:
    """Return the text of a first manifest, with a default registry if one is given.

    Raises:
        InvalidSource: ``registry`` is not the URL of a registry.

    """
    if registry is None:
        return _FIRST_MANIFEST
    return f'{_FIRST_MANIFEST}\n[registries]\ndefault = "{normal_registry_url(registry)}"\n'


def with_requirement(text: str, requirement: Requirement, *, origin: str = "skills.toml") -> str:
    """Return ``text`` with ``requirement`` in place of what it asked of that name, if anything.

    A name that was bound to a registry stays bound to it. ``requirement`` has a name.

    Raises:
        InvalidManifest: ``text`` is not a manifest, or would not be one.

    """
    name = requirement.name
    if name is None:
        raise AssertionError("a requirement is written under a name")
    before = parse_manifest(text, origin=origin)
    requirement = _kept_bound(before, requirement)
    wanted = {**_by_name(before), name: requirement}
    if name in _by_name(before):
        document = _document(text)
        skills = document["skills"]
        if not _has_own_header(skills[name]):
            import tomlkit

            skills[name] = tomlkit.value(_value_text(requirement))
            return _checked(tomlkit.dumps(document), before, wanted, origin)
        text = _without(text, name)
    return _checked(_with_line(text, name, _value_text(requirement)), before, wanted, origin)


def without_requirement(text: str, name: str, *, origin: str = "skills.toml") -> str:
    """Return ``text`` without what it asks of ``name``, which may be nothing.

    Raises:
        InvalidManifest: ``text`` is not a manifest.

    """
    before = parse_manifest(text, origin=origin)
    wanted = _by_name(before)
    if wanted.pop(name, None) is None:
        return text
    return _checked(_without(text, name), before, wanted, origin)


def _document(text: str) -> MutableMapping[str, Any]:
    import tomlkit

    return tomlkit.parse(text.removeprefix("\ufeff"))


def _without(text: str, name: str) -> str:
    import tomlkit

    document = _document(text)
    del document["skills"][name]
    return tomlkit.dumps(document)


def _has_own_header(value: object) -> bool:
    from tomlkit.items import Table

    return isinstance(value, Table)


def _with_line(text: str, name: str, value: str) -> str:
    """Return ``text`` with one more line at the end of what ``[skills]`` lists."""
    text = text.removeprefix("\ufeff")
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    last = _last_line_of_skills(lines)
    if last is None:
        gap = ending if text.strip() else ""
        text += ending if text and not text.endswith("\n") else ""
        return f"{text}{gap}[skills]{ending}{name} = {value}{ending}"
    if not lines[last].endswith("\n"):
        lines[last] += ending
    lines.insert(last + 1, f"{name} = {value}{ending}")
    return "".join(lines)


def _last_line_of_skills(lines: list[str]) -> int | None:
    """Return the index of the last line under ``[skills]`` that says something."""
    last, inside = None, False
    for index, line in enumerate(lines):
        stripped = line.strip()
        if stripped.startswith("["):
            inside = _SKILLS_HEADER.match(stripped) is not None
        if inside and stripped and not stripped.startswith("#"):
            last = index
    return last


def _by_name(manifest: Manifest) -> dict[str, Requirement]:
    return {str(requirement.name): requirement for requirement in manifest.requirements}


def _kept_bound(before: Manifest, requirement: Requirement) -> Requirement:
    chosen = before.chosen_registries().get(str(requirement.name))
    if chosen is None or requirement.source != RegistryName(None):
        return requirement
    return Requirement(requirement.name, requirement.range, RegistryName(chosen))


def _value_text(requirement: Requirement) -> str:
    """Return the shortest way to write ``requirement`` in a manifest.

    Nothing that a requirement may hold needs escaping in TOML.
    """
    source = requirement.source
    wanted = " ".join(requirement.range.text.split())
    if source == RegistryName(None):
        return f'"{wanted}"'
    if isinstance(source, RegistryName):
        fields = {"version": wanted, "registry": source.name}
    elif isinstance(source, GitSource):
        fields = {"git": source.url, "ref": source.reference, "subdirectory": source.subdirectory}
    else:
        fields = {"path": source.path}
    pairs = (f'{key} = "{value}"' for key, value in fields.items() if value is not None)
    return f"{{ {', '.join(pairs)} }}"


def _checked(
    text: str,
    before: Manifest,
    wanted: dict[str, Requirement],
    origin: str,
) -> str:
    """Return ``text`` if it means ``wanted`` and changes nothing else."""
    try:
        after: Manifest | None = parse_manifest(text, origin=origin)
    except InvalidManifest:  # such as a second [skills] beside dotted keys
        after = None
    lines = tuple(sorted(requirement.line for requirement in wanted.values()))
    kept: tuple[str, ...] = (
        "registries",
        "patterns",
        "hosts",
        "overrides",
        "constraints",
        "prereleases",
    )
    kept += ("link_mode", "grants")
    same = after is not None and all(getattr(before, key) == getattr(after, key) for key in kept)
    if after is None or not same or after.requirement_lines() != lines:
        raise InvalidManifest(
            "cannot be edited without changing what it says elsewhere",
            origin=origin,
            line=None,
            reason="not-editable",
            hint="change [skills] by hand",
        )
    return text
