"""``skills.toml``: from its text to a ``Manifest``, or to one error with its line.

See spec/manifest.md. Reading is on the path of every command, so it builds on ``tomllib``
and own checks alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from spm_spec.errors import UserMistake
from spm_spec.manifest_model import DEFAULT_REGISTRY, LinkMode, Manifest
from spm_spec.names import NAME_CHARACTERS, SkillName, is_host_package, parse_skill_name
from spm_spec.quoting import quote
from spm_spec.ranges import VersionRange
from spm_spec.shapes import is_list, is_table
from spm_spec.sources import (
    GitSource,
    InvalidSource,
    PathSource,
    RegistryName,
    Requirement,
    check_reference,
    check_registry_name,
    check_relative_path,
    check_subdirectory,
    normal_git_url,
    normal_registry_url,
)
from spm_spec.toml import InvalidToml, kind_of, line_of, load_toml
from spm_spec.versions import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from spm_spec.policy import Policy

__all__ = ["DEFAULT_REGISTRY", "InvalidManifest", "LinkMode", "Manifest", "parse_manifest"]

MANIFEST_CHARACTERS = 1 << 20
SKILLS = 10_000

_SECTIONS = (
    "skills",
    "registries",
    "hosts",
    "overrides",
    "constraints",
    "settings",
    "grants",
)
_SETTINGS = ("link-mode", "prerelease")
_REQUIREMENT_KEYS = ("version", "registry", "path", "git", "ref", "subdirectory")
_PATTERN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*(?:-?\*)?")


Checked = TypeVar("Checked")


class InvalidManifest(InvalidToml):
    """``skills.toml`` is not what a project can ask for."""


def parse_manifest(text: str, *, origin: str = "skills.toml") -> Manifest:
    """Return what ``text`` asks for; ``origin`` is the file that messages name.

    Raises:
        InvalidManifest: with ``line``, ``reason`` and often a hint.

    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    document = load_toml(
        text, origin=origin, most_characters=MANIFEST_CHARACTERS, refusal=InvalidManifest
    )
    return _Reader(text, origin).manifest(document)


@dataclass(frozen=True, slots=True)
class _Reader:
    """One reading: the text is kept to find the line of what is refused."""

    text: str
    origin: str

    def manifest(self, document: dict[str, object]) -> Manifest:
        self._known(document, _SECTIONS, ())
        registries, patterns = self._registries(self._table(document, "registries"))
        settings = self._table(document, "settings")
        self._known(settings, _SETTINGS, ("settings",))
        manifest = Manifest(
            requirements=self._requirements(self._table(document, "skills"), registries),
            registries=registries,
            patterns=patterns,
            hosts=self._by_name(document, "hosts", Version.parse),
            overrides=self._by_name(document, "overrides", VersionRange.parse),
            constraints=self._by_name(document, "constraints", VersionRange.parse),
            prereleases=self._names(settings, "prerelease"),
            link_mode=self._link_mode(settings),
            grants=self._grants(self._table(document, "grants")),
        )
        self._check_bindings(manifest)
        return manifest

    def refusal(
        self, path: tuple[str | int, ...], message: str, *, reason: str, hint: str | None = None
    ) -> InvalidManifest:
        line = line_of(self.text, path)
        return InvalidManifest(message, origin=self.origin, line=line, reason=reason, hint=hint)

    def checked(
        self, path: tuple[str, ...], check: Callable[[str], Checked], value: object
    ) -> Checked:
        """Return what ``check`` makes of the text ``value``; its refusal gets a place."""
        if not isinstance(value, str):
            message = f"`{path[-1]}` is {kind_of(value)}, it must be text"
            raise self.refusal(path, message, reason="wrong-type")
        try:
            return check(value)
        except UserMistake as error:
            reason = getattr(error, "reason", "invalid-value")
            raise self.refusal(path, error.message, reason=reason, hint=error.hint) from error

    def _known(
        self, table: dict[str, object], known: Collection[str], path: tuple[str, ...]
    ) -> None:
        for key in table:
            if key not in known:
                from spm_spec.spelling import did_you_mean

                where = f" in `{'.'.join(path)}`" if path else ""
                message = f"unknown key {quote(key)}{where}"
                hint = did_you_mean(key, known)
                raise self.refusal((*path, key), message, reason="unknown-key", hint=hint)

    def _table(self, document: dict[str, object], key: str) -> dict[str, object]:
        value = document.get(key, {})
        if not is_table(value):
            message = f"`{key}` is {kind_of(value)}, it must be a table"
            raise self.refusal((key,), message, reason="wrong-type")
        return value

    def _name(self, path: tuple[str, ...]) -> SkillName:
        return self.checked(path, parse_skill_name, path[-1])

    def _by_name(
        self, document: dict[str, object], section: str, check: Callable[[str], Checked]
    ) -> dict[str, Checked]:
        table = self._table(document, section)
        return {
            self._name((section, name)): self.checked((section, name), check, table[name])
            for name in sorted(table)
        }

    def _names(self, settings: dict[str, object], key: str) -> frozenset[str]:
        value = settings.get(key, [])
        path = ("settings", key)
        if not is_list(value):
            message = f"`{key}` is {kind_of(value)}, it must be a list of skill names"
            raise self.refusal(path, message, reason="wrong-type")
        return frozenset(self.checked(path, parse_skill_name, item) for item in value)

    def _link_mode(self, settings: dict[str, object]) -> LinkMode:
        value = settings.get("link-mode", "symlink")
        if value == "symlink":
            return "symlink"
        if value == "copy":
            return "copy"
        if value == "reflink":
            return "reflink"
        message = f'`link-mode` is {kind_of(value)}, it must be "symlink", "copy" or "reflink"'
        raise self.refusal(("settings", "link-mode"), message, reason="invalid-value")

    def _grants(self, table: dict[str, object]) -> dict[SkillName, Policy]:
        if not table:
            return {}
        from spm_spec.policy import InvalidPolicy, parse_policy

        grants: dict[SkillName, Policy] = {}
        for name in sorted(table):
            path = ("grants", name)
            try:
                grants[self._name(path)] = parse_policy(
                    table[name], where=partial(_grant_place, name)
                )
            except InvalidPolicy as error:
                raise self.refusal(
                    (*path, *(part for part in error.path if isinstance(part, str))),
                    error.message,
                    reason="policy",
                    hint=error.hint,
                ) from error
        return grants

    def _registries(
        self, table: dict[str, object]
    ) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
        urls: dict[str, str] = {}
        bound: dict[str, str] = {}
        for name in sorted(table):
            path = ("registries", name)
            value = table[name]
            self.checked(path, check_registry_name, name)
            if isinstance(value, str):
                urls[name] = self.checked(path, normal_registry_url, value)
                continue
            if not is_table(value):
                message = f"registry `{name}` is {kind_of(value)}, it must be a URL or a table"
                raise self.refusal(path, message, reason="wrong-type")
            self._known(value, ("url", "skills"), path)
            if "url" not in value:
                raise self.refusal(path, f"registry `{name}` has no `url`", reason="no-url")
            urls[name] = self.checked((*path, "url"), normal_registry_url, value["url"])
            for pattern in self._patterns(name, value.get("skills", [])):
                if bound.setdefault(pattern, name) != name:
                    message = (
                        f"`{pattern}` is bound to two registries, `{bound[pattern]}` and `{name}`"
                    )
                    raise self.refusal((*path, "skills"), message, reason="two-registries")
        exact_first = sorted(bound.items(), key=lambda item: ("*" in item[0], -len(item[0]), item))
        return urls, tuple(exact_first)

    def _patterns(self, registry: str, value: object) -> list[str]:
        path = ("registries", registry, "skills")
        if not is_list(value):
            message = f"`skills` is {kind_of(value)}, it must be a list of names and patterns"
            raise self.refusal(path, message, reason="wrong-type")
        if value and registry == DEFAULT_REGISTRY:
            message = "the registry `default` has every name that no pattern binds"
            raise self.refusal(path, message, reason="pattern", hint="remove `skills` here")
        return [self.checked(path, _check_pattern, item) for item in value]

    def _requirements(
        self, table: dict[str, object], registries: dict[str, str]
    ) -> tuple[Requirement, ...]:
        if len(table) > SKILLS:
            message = f"`skills` has {len(table)} entries, the limit is {SKILLS}"
            raise self.refusal(("skills",), message, reason="too-large")
        return tuple(self._requirement(name, table[name], registries) for name in sorted(table))

    def _requirement(self, text: str, value: object, registries: dict[str, str]) -> Requirement:
        path = ("skills", text)
        name = self._name(path)
        if is_host_package(name):
            message = f"`{name}` is provided by the environment, it is not a skill to install"
            hint = f'give its version under [hosts]: `{name} = "1.0.0"`'
            raise self.refusal(path, message, reason="host-package", hint=hint)
        if isinstance(value, str):
            return Requirement(
                name, self.checked(path, VersionRange.parse, value), RegistryName(None)
            )
        if not is_table(value):
            message = f"`{name}` is {kind_of(value)}, it must be a version range or a table"
            quoted = isinstance(value, int | float) and not isinstance(value, bool)
            quotes = f'write it in quotes: `{name} = "{value}"`' if quoted else None
            raise self.refusal(path, message, reason="wrong-type", hint=quotes)
        self._known(value, _REQUIREMENT_KEYS, path)
        forms = [form for form in _FORMS if not _FORMS[form].isdisjoint(value)]
        if len(forms) != 1 or (forms == ["git"] and "git" not in value):
            message = f"`{name}` must have one of `version`, `path` and `git`"
            raise self.refusal(path, message, reason="source")
        if forms == ["path"]:
            folder = self.checked((*path, "path"), check_relative_path, value["path"])
            return Requirement(name, VersionRange.any(), PathSource(folder))
        if forms == ["git"]:
            return Requirement(name, VersionRange.any(), self._git(path, value))
        return self._from_registry(name, path, value, registries)

    def _git(self, path: tuple[str, ...], value: dict[str, object]) -> GitSource:
        url = value["git"]
        if isinstance(url, str) and url.startswith("git+"):
            message = f"{quote(url)} starts with `git+`, which is for the command line"
            hint = f'write `git = "{url.removeprefix("git+")}"`'
            raise self.refusal((*path, "git"), message, reason="scheme", hint=hint)

        def optional(key: str, check: Callable[[str], str]) -> str | None:
            return self.checked((*path, key), check, value[key]) if key in value else None

        return GitSource(
            self.checked((*path, "git"), normal_git_url, url),
            optional("ref", check_reference),
            optional("subdirectory", check_subdirectory),
        )

    def _from_registry(
        self,
        name: SkillName,
        path: tuple[str, ...],
        value: dict[str, object],
        registries: dict[str, str],
    ) -> Requirement:
        wanted = self.checked((*path, "version"), VersionRange.parse, value.get("version", "*"))
        if "registry" not in value:
            return Requirement(name, wanted, RegistryName(None))
        registry = self.checked((*path, "registry"), check_registry_name, value["registry"])
        if registry not in registries:
            message = f"`{name}` comes from the registry `{registry}`, which is not in [registries]"
            raise self.refusal((*path, "registry"), message, reason="unknown-registry")
        return Requirement(name, wanted, RegistryName(registry))

    def _check_bindings(self, manifest: Manifest) -> None:
        """Refuse a name with two meanings: two registries, or a skill and a host package."""
        for name, chosen in manifest.chosen_registries().items():
            bound = manifest.registry_name_of(name)
            if bound not in {chosen, DEFAULT_REGISTRY}:
                message = f"`{name}` is bound to two registries, `{bound}` and `{chosen}`"
                raise self.refusal(("skills", name), message, reason="two-registries")
        for requirement in manifest.requirements:
            if str(requirement.name) in manifest.hosts:
                message = f"`{requirement.name}` is under both [skills] and [hosts]"
                path = ("hosts", str(requirement.name))
                raise self.refusal(path, message, reason="host-package")


_FORMS = {
    "registry": frozenset({"version", "registry"}),
    "path": frozenset({"path"}),
    "git": frozenset({"git", "ref", "subdirectory"}),
}


def _grant_place(name: str, _: tuple[str | int, ...]) -> str:
    return f"the grant to `{name}`"


def _check_pattern(text: str) -> str:
    if _PATTERN.fullmatch(text) is None or len(text) > NAME_CHARACTERS:
        message = f"{quote(text)} is not a skill name or a pattern such as `company-*`"
        raise InvalidSource(message, reason="pattern")
    return text
