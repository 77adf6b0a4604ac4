"""The fields of a lock entry, each checked on its own; both readers of a lock use these."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spm_spec.errors import UserMistake
from spm_spec.lock_model import LockedPython, is_increasing, line_name
from spm_spec.names import is_skill_name
from spm_spec.quoting import quote
from spm_spec.sources import (
    GitSource,
    PathSource,
    RegistrySource,
    check_commit,
    check_reference,
    check_relative_path,
    check_subdirectory,
    normal_git_url,
    normal_registry_url,
)
from spm_spec.versions import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from spm_spec.lock_model import LockEntry
    from spm_spec.sources import Source

LARGEST_ARCHIVE = 10**12 - 1
LINE_CHARACTERS = 8192
SOURCE_FIELDS = {
    "registry": ("registry", "root"),
    "git": ("git", "commit", "reference", "subdirectory"),
    "path": ("path",),
}

_RANGE = re.compile(r"[0-9A-Za-z.+*^~<>=!|, -]{1,1024}")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_PYTHON_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_PYTHON_VERSION = re.compile(r"[0-9][0-9A-Za-z.!+]{0,127}")
_MARKER = re.compile(r"[A-Za-z0-9_.'<>=!~ ()*+,-]{1,1024}")
_FINGERPRINT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class InvalidField(UserMistake):
    """One field of a lock is refused; ``reason`` is the kind, ``key`` the field."""

    def __init__(self, message: str, *, reason: str, key: str, hint: str | None = None) -> None:
        """Keep ``reason`` and ``key`` beside the message."""
        super().__init__(message, hint=hint)
        self.reason, self.key = reason, key


def read_line(text: str) -> str:
    """Return a repeated line of the manifest, known to be about a skill.

    The rest of it is only ever compared with what the manifest says now.
    """
    if len(text) > LINE_CHARACTERS or not text.isprintable() or not is_skill_name(line_name(text)):
        raise InvalidField(f"{quote(text)} names no skill", reason="requirement", key="")
    return text


def read_version(text: str) -> str:
    """Return ``text``, known to be a version in its one writing."""
    return str(Version.parse(text))


def read_dependency(text: str) -> tuple[str, str]:
    """Return name and range; the range is only checked to be of a range's characters."""
    name, at, wanted = text.partition("@")
    if not at or not is_skill_name(name) or not _RANGE.fullmatch(wanted):
        message = f"{quote(text)} is not a name and a range"
        raise InvalidField(message, reason="dependency", key="dependencies")
    if "  " in wanted or wanted[0] == " " or wanted[-1] == " ":
        message = f"{quote(text)} has more than single spaces"
        raise InvalidField(message, reason="dependency", key="dependencies")
    return name, wanted


def read_source(fields: Mapping[str, object]) -> Source:
    """Return the source of an entry from its fields.

    Raises:
        InvalidField, InvalidSource: unknown or missing fields, or not in normal form.

    """
    form = next((form for form in SOURCE_FIELDS if form in fields), None)
    if form is None:
        message = "`source` must have `registry`, `git` or `path`"
        raise InvalidField(message, reason="source", key="source")
    texts = _texts(fields, SOURCE_FIELDS[form], f"a {form} source")
    if form == "registry":
        return RegistrySource(_normal(texts["registry"], normal_registry_url), _root(texts))
    if form == "path":
        return PathSource(_normal(texts["path"], check_relative_path))
    if "commit" not in texts:
        message = "a git source must have a `commit`"
        raise InvalidField(message, reason="missing-commit", key="source")
    reference, folder = texts.get("reference"), texts.get("subdirectory")
    return GitSource(
        _normal(texts["git"], normal_git_url),
        None if reference is None else check_reference(reference),
        None if folder is None else _normal(folder, check_subdirectory),
        check_commit(texts["commit"]),
    )


def _texts(fields: Mapping[str, object], known: Iterable[str], what: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for key, value in fields.items():
        if key not in known:
            raise unknown_field(key, what, "source")
        if not isinstance(value, str):
            raise InvalidField(f"`{key}` must be text", reason="wrong-type", key="source")
        texts[key] = value
    return texts


def unknown_field(name: str, what: str, key: str) -> InvalidField:
    """Refuse a field nobody here knows: it may restrict what this version would allow."""
    return InvalidField(
        f"{what} has the unknown field {quote(name)}",
        reason="unknown-field",
        key=key,
        hint="a newer spm may have written this lock: use it, or run `spm lock`",
    )


def _root(texts: Mapping[str, str]) -> str | None:
    root = texts.get("root")
    if root is not None and not _SHA256.fullmatch(root):
        message = f"root {quote(root)} is not `sha256:` and 64 lower-case hex digits"
        raise InvalidField(message, reason="digest", key="source")
    return root


def _normal(text: str, check: Callable[[str], str]) -> str:
    normal = check(text)
    if normal != text:
        message = f"{quote(text)} is not in normal form, which is {quote(normal)}"
        raise InvalidField(message, reason="not-canonical", key="source")
    return text


def read_publisher(text: str) -> str:
    """Return the fingerprint of a key, known to be one."""
    if not _FINGERPRINT.fullmatch(text):
        message = f"publisher {quote(text)} is not 40 or 64 lower-case hex digits"
        raise InvalidField(message, reason="publisher", key="publisher")
    return text


def read_python(name: str, version: str, marker: str | None, hashes: Iterable[str]) -> LockedPython:
    """Return one locked PyPI distribution; without a hash it is not locked."""
    found = tuple(hashes)
    if not _PYTHON_NAME.fullmatch(name):
        message = f"{quote(name)} is not a normal PyPI name"
        raise InvalidField(message, reason="python", key="python")
    if not _PYTHON_VERSION.fullmatch(version):
        message = f"{quote(version)} is not the version of a PyPI distribution"
        raise InvalidField(message, reason="python", key="python")
    if marker is not None and not _MARKER.fullmatch(marker):
        message = f"{quote(marker)} is not an environment marker in single quotes"
        raise InvalidField(message, reason="python", key="python")
    if not found:
        message = f"`{name}` {version} has no hash"
        raise InvalidField(message, reason="missing-digest", key="python")
    for digest in found:
        if not _SHA256.fullmatch(digest):
            message = f"{quote(digest)} is not `sha256:` and 64 lower-case hex digits"
            raise InvalidField(message, reason="digest", key="python")
    if not is_increasing(found):
        message = f"the hashes of `{name}` are not sorted, or repeat"
        raise InvalidField(message, reason="unsorted", key="python")
    return LockedPython(name, version, found, marker)


def check_pythons(found: list[LockedPython]) -> tuple[LockedPython, ...]:
    """Return ``found``, known to be sorted by name and marker without repetition."""
    keys = [(python.name, python.marker or "") for python in found]
    if not is_increasing(keys):
        message = "`python` is not sorted, or repeats a distribution"
        raise InvalidField(message, reason="unsorted", key="python")
    return tuple(found)


def check_entry(entry: LockEntry) -> None:
    """Check what fields must stand together: a registry's release has an archive."""
    if not isinstance(entry.source, RegistrySource):
        if entry.archive_sha256 is not None:
            message = "only a release from a registry has an `archive`"
            raise InvalidField(message, reason="source", key="archive")
        return
    if entry.version is None:
        message = "a release from a registry must have a `version`"
        raise InvalidField(message, reason="missing-field", key="source")
    if entry.archive_sha256 is None:
        message = "a release from a registry must have an `archive` with `sha256` and `size`"
        raise InvalidField(message, reason="missing-digest", key="source")
