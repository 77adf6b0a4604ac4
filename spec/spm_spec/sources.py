"""Where a skill comes from, and how one is asked for on the command line.

Everything here reaches ``git`` or an HTTP client later, so it is treated as hostile:
a text is accepted only if it fits a grammar in which nothing can be an option, a
command, a password or a way out of a folder. URLs are in ``source_urls``. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from spm_spec.names import SkillName, is_skill_name, parse_skill_name
from spm_spec.quoting import quote
from spm_spec.ranges import VersionRange
from spm_spec.source_urls import (
    InvalidSource,
    check_commit,
    check_reference,
    check_relative_path,
    check_subdirectory,
    normal_git_url,
    normal_registry_url,
)

__all__ = [
    "ANY_REGISTRY",
    "GitSource",
    "InvalidSource",
    "PathSource",
    "RegistryName",
    "RegistrySource",
    "Requirement",
    "Source",
    "check_commit",
    "check_reference",
    "check_relative_path",
    "check_subdirectory",
    "normal_git_url",
    "normal_registry_url",
    "parse_requirement",
]

REQUIREMENT_CHARACTERS = 4096

_REGISTRY_REQUIREMENT = re.compile(
    r"(?:(?P<registry>[a-z0-9]+(?:-[a-z0-9]+)*)/)?"
    r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)"
    r"(?P<range>[ \t]*(?:@|[\^~<>=!]).*)?"
)
_DIRECT = re.compile(r"(?P<name>[^@:/\s]+)[ \t]+@[ \t]+(?P<source>(?:git\+|path:).*)")
_SCP_LIKE = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:(?!//).*")


@dataclass(frozen=True, slots=True)
class RegistryName:
    """A registry of the manifest by its name; ``None`` is whichever the manifest binds."""

    name: str | None = None


ANY_REGISTRY = RegistryName()


@dataclass(frozen=True, slots=True)
class RegistrySource:
    """A registry by its address, as a lock pins it."""

    url: str
    root: str | None = None
    """The ``sha256:`` digest of the root of trust its answers were checked against."""

    @property
    def text(self) -> str:
        """The canonical one-line form."""
        return self.url


@dataclass(frozen=True, slots=True)
class GitSource:
    """A folder of a git repository: asked by ``reference``, pinned by ``commit``."""

    url: str
    """Without ``git+``."""
    reference: str | None
    subdirectory: str | None
    commit: str | None = None

    @property
    def text(self) -> str:
        """The canonical one-line form, which ``parse_requirement`` reads.

        A pinned source shows its commit where a wanted one shows its reference.
        """
        reference = self.commit or self.reference
        at = "" if reference is None else f"@{reference}"
        folder = "" if self.subdirectory is None else f"#subdirectory={self.subdirectory}"
        return f"git+{self.url}{at}{folder}"


@dataclass(frozen=True, slots=True)
class PathSource:
    """A folder beside or below the project, relative to it, with forward slashes."""

    path: str

    @property
    def text(self) -> str:
        """The canonical one-line form."""
        return f"path:{self.path}"


Source = RegistrySource | GitSource | PathSource


@dataclass(frozen=True, slots=True)
class Requirement:
    """One skill that is asked for; without ``name`` until its source was read."""

    name: SkillName | None
    range: VersionRange
    source: RegistryName | GitSource | PathSource

    @property
    def line(self) -> str:
        """The canonical text, as the lock repeats it: ``parse_requirement`` gives it back.

        Two ranges that hold the same versions may be written differently; the
        line keeps the range as written, with single spaces.
        """
        if isinstance(self.source, RegistryName):
            registry = "" if self.source.name is None else f"{self.source.name}/"
            return f"{registry}{self.name}@{' '.join(self.range.text.split())}"
        named = "" if self.name is None else f"{self.name} @ "
        return f"{named}{self.source.text}"


def parse_requirement(text: str) -> Requirement:
    """Return what ``text`` asks for, see "On the command line" in spec/manifest.md.

    Raises:
        InvalidSource: no requirement at all, or a URL, reference or folder that is refused.
        InvalidName: the name is outside its grammar.
        InvalidRange: the range is outside its grammar.

    """
    if len(text) > REQUIREMENT_CHARACTERS:
        message = f"a requirement has {len(text)} characters, the limit is {REQUIREMENT_CHARACTERS}"
        raise InvalidSource(message, reason="too-long")
    stripped = text.strip(" \t")
    direct = _DIRECT.fullmatch(stripped)
    if direct is not None:
        source = _direct_source(direct["source"])
        return Requirement(parse_skill_name(direct["name"]), VersionRange.any(), source)
    if stripped.startswith(("git+", "path:")):
        return Requirement(None, VersionRange.any(), _direct_source(stripped))
    return _registry_requirement(stripped)


def _direct_source(text: str) -> GitSource | PathSource:
    if text.startswith("path:"):
        return PathSource(check_relative_path(text.removeprefix("path:")))
    return parse_git_source(text)


def parse_git_source(text: str) -> GitSource:
    """Return the source written as ``git+URL[@REFERENCE][#subdirectory=FOLDER]``.

    A reference of 40 or 64 hexadecimal digits is a commit, and stays a reference: it
    is what was asked for.

    Raises:
        InvalidSource: with the kind of refusal in ``reason``.

    """
    address, hash_sign, fragment = text.removeprefix("git+").partition("#")
    subdirectory = None
    if hash_sign:
        key, _, folder = fragment.partition("=")
        if key != "subdirectory":
            message = f"{quote('#' + fragment)} is not understood after a git URL"
            hint = "write `#subdirectory=FOLDER`"
            raise InvalidSource(message, reason="fragment", hint=hint)
        subdirectory = check_subdirectory(folder)
    start_of_path = address.find("/", address.find("://") + 3)
    at = address.rfind("@")
    reference = None
    if 0 <= start_of_path < at:
        reference = check_reference(address[at + 1 :])
        address = address[:at]
    return GitSource(normal_git_url(address), reference, subdirectory)


def _registry_requirement(text: str) -> Requirement:
    match = _REGISTRY_REQUIREMENT.fullmatch(text) if not _SCP_LIKE.fullmatch(text) else None
    if match is None or not is_skill_name(match["name"]):
        raise _not_a_requirement(text)
    written = (match["range"] or "").strip(" \t").removeprefix("@").strip(" \t")
    if match["range"] is not None and not written:
        message = f"{quote(text)} has no version range after `@`"
        hint = f"write `{match['name']}` for any version, or `{match['name']}@^1.0`"
        raise InvalidSource(message, reason="range", hint=hint)
    wanted = VersionRange.parse(written) if written else VersionRange.parse("*")
    registry = match["registry"]
    if registry is not None:
        check_registry_name(registry)
    return Requirement(SkillName(match["name"]), wanted, RegistryName(registry))


def check_registry_name(text: str) -> str:
    """Return ``text``, known to be the name of a registry: the grammar of skill names.

    Raises:
        InvalidSource: outside it.

    """
    if not is_skill_name(text):
        message = f"registry name {quote(text)} must be lower-case letters, digits and hyphens"
        raise InvalidSource(message, reason="registry-name")
    return text


def _not_a_requirement(text: str) -> InvalidSource:
    hint: str | None = "write `NAME`, `NAME@RANGE`, `path:FOLDER` or `git+https://HOST/REPOSITORY`"
    if _SCP_LIKE.fullmatch(text):
        user_and_host, _, path = text.partition(":")
        hint = f"write `git+ssh://{user_and_host}/{path}`"
    elif "::" in text or text.startswith("-"):
        hint = None
    elif "://" in text:
        hint = f"for a git repository, write `git+{text}`"
    elif text.startswith((".", "/", "~")) or "\\" in text:
        hint = "for a folder, write `path:` before it"
    else:
        name = re.split(r"[@^~<>=!\s]", text, maxsplit=1)[0]
        if name and "/" not in name:
            parse_skill_name(name)  # its own words, if it is the name that is wrong
    return InvalidSource(f"{quote(text)} is not a requirement", reason="requirement", hint=hint)
