"""The checksum of a packed skill, and how it gets into skill.yaml.

``checksum`` is ``sha256:`` of the listing that ``sha256sum`` prints for every file
but skill.yaml, sorted by the bytes of the path; see spec/skill.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spm_spec.errors import UserMistake
from spm_spec.fields import is_mapping
from spm_spec.yaml import InvalidYaml, load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spm_spec.tree import FileEntry
    from spm_spec.versions import Version

SKILL_YAML = "skill.yaml"
CHECKSUM_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")

_VERSION_LINE = re.compile(rb"(?m)^(?:version|'version'|\"version\")[ \t]*:.*$")
_CHECKSUM_LINE = re.compile(rb"(?m)^(?:checksum|'checksum'|\"checksum\")[ \t]*:.*$")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_COMMENT = re.compile(rb"[ \t]+#.*")


class SkillYamlNotEditable(UserMistake):
    """skill.yaml is written so that a line cannot be set without rewriting it."""

    def __init__(self, key: str) -> None:
        """Name the ``key`` that could not be set."""
        message = f"skill.yaml: `{key}` cannot be set by editing a line"
        super().__init__(message, hint=f"write `{key}: …` on a line of its own at the left margin")
        self.key = key


def checksum_of(files: Mapping[str, bytes]) -> str:
    """Return ``sha256:<64 hex>`` over all ``files`` but skill.yaml, keyed by path."""
    from spm_spec.digests import sha256_hex

    paths = sorted((path for path in files if path != SKILL_YAML), key=str.encode)
    listing = "".join(f"{sha256_hex(files[path])}  {path}\n" for path in paths)
    return "sha256:" + sha256_hex(listing.encode())


def packed_files(files: Sequence[FileEntry], *, version: Version) -> tuple[FileEntry, ...]:
    """Return ``files`` as they go into a package, sorted by path.

    skill.yaml is made if there is none; its ``version`` and ``checksum`` lines are
    set where they stand, else added at the end. Nothing else changes, and packing
    what was packed gives the same bytes.

    Raises:
        SkillYamlNotEditable: skill.yaml holds the fields in another form than lines.
        InvalidYaml: skill.yaml is not YAML.

    """
    from spm_spec.tree import FileEntry

    others = [entry for entry in files if entry.path != SKILL_YAML]
    described = next((entry for entry in files if entry.path == SKILL_YAML), None)
    checksum = checksum_of({entry.path: entry.data for entry in others})
    data = b"" if described is None else described.data
    data = _with_line(data, "version", str(version))
    data = _with_line(data, "checksum", checksum)
    executable = described is not None and described.executable
    entries = [*others, FileEntry(SKILL_YAML, data, executable)]
    return tuple(sorted(entries, key=lambda entry: entry.path.encode()))


def _with_line(data: bytes, key: str, value: str) -> bytes:
    """Set the top-level ``key`` to ``value``, keeping the comment behind it."""
    before = _mapping(data)
    if before.get(key) == value:
        return data
    pattern = _VERSION_LINE if key == "version" else _CHECKSUM_LINE
    line_end = b"\r\n" if b"\r\n" in data else b"\n"
    line = f"{key}: {value}".encode()
    found = pattern.search(data)
    if found is None:
        ending = line_end if data and not data.endswith(b"\n") else b""
        edited = data + ending + line + line_end
    else:
        old = found.group()
        comment = _COMMENT.search(old)
        kept = comment.group() if comment else b"\r" if old.endswith(b"\r") else b""
        edited = data[: found.start()] + line + kept + data[found.end() :]
    try:
        is_set = _mapping(edited) == {**before, key: value}
    except InvalidYaml as error:
        raise SkillYamlNotEditable(key) from error
    if not is_set:
        raise SkillYamlNotEditable(key)
    return edited


def _mapping(data: bytes) -> dict[str, object]:
    text = data.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "replace")
    value = load_yaml(text, origin=SKILL_YAML).value
    return value if is_mapping(value) else {}
