"""A skill as one archive file: `.spm`, written one way, read strictly.

Writing is deterministic. Reading recognises tar.zst, tar.gz and zip by content and
yields validated files; it never writes a file, and nobody may use an archive's path
to write one. What cannot be read in exactly one way is refused, with a named
reason. See spec/package.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from spm_spec.errors import HostileDataError
from spm_spec.package_compression import (
    GZIP_MAGIC,
    ZSTD_MAGIC,
    expand_gzip,
    expand_zstd,
    gzip_stored,
    zstd_compressed,
)
from spm_spec.package_members import Flaw, Member, expanded_limit
from spm_spec.package_tar import read_tar, write_tar
from spm_spec.package_zip import EMPTY_MAGIC, LOCAL_MAGIC, read_zip, write_zip
from spm_spec.tree import DEFAULT_LIMITS, FileEntry, InvalidTree, Limits, build_tree
from spm_spec.tree_names import folded, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PACKAGE_SUFFIX = ".spm"
Form = Literal["tar.zst", "tar.gz", "zip"]

_SKILL_FILES = ("SKILL.md", "skill.md")
_DROPPED_FOLDERS = frozenset({".git", "__MACOSX"})
_DROPPED_NAMES = frozenset({".DS_Store"})
_APPLE_DOUBLE_MAGIC = b"\x00\x05\x16\x07"


class PackageRefused(HostileDataError):
    """An archive that is not accepted; ``reason`` is the kind, ``path`` the member if any."""

    def __init__(self, origin: str, reason: str, explanation: str, path: str = "") -> None:
        """Say where the archive is from, what is wrong with it, and in which member."""
        place = f"{origin}: {shown(path)}" if path else origin
        super().__init__(f"{place}: {explanation}")
        self.origin = origin
        self.reason = reason
        self.path = path


def write_package(files: Iterable[FileEntry], form: Form = "tar.zst") -> bytes:
    """Return the package of ``files``, which may come in any order.

    Inverse of ``read_package``. The same files give the same bytes on any machine
    and any day; for ``tar.zst``, with the same release of zstd.

    Raises:
        InvalidTree: the files are not a tree, or some would not be read again:
            ``not-carried`` for droppings of systems, ``wrapped`` for a skill inside
            one folder.

    """
    ordered = sorted(files, key=lambda entry: entry.path.encode("utf-8", "surrogatepass"))
    build_tree(ordered)
    for entry in ordered:
        if _is_dropped(entry.path, entry.data):
            raise InvalidTree("not-carried", entry.path, "a package does not carry such files")
    if folder := _wrapper(ordered):
        raise InvalidTree("wrapped", folder, "the whole skill is inside one folder")
    if form == "zip":
        return write_zip(ordered)
    tar = write_tar(ordered)
    return gzip_stored(tar) if form == "tar.gz" else zstd_compressed(tar)


def read_package(
    data: bytes, *, origin: str, limits: Limits = DEFAULT_LIMITS
) -> tuple[FileEntry, ...]:
    """Return the files of an archive, sorted by the bytes of their paths.

    ``origin`` says in messages where the archive is from. At most
    ``limits.tree_bytes`` of data are held.

    Raises:
        PackageRefused: the archive is not accepted.

    """
    try:
        files = _unwrapped(_files(_members(data, limits), limits))
        build_tree(files, limits)
    except Flaw as flaw:
        raise PackageRefused(origin, flaw.reason, flaw.explanation, flaw.path) from flaw
    except InvalidTree as error:
        raise PackageRefused(origin, error.reason, error.explanation, error.path) from error
    return tuple(sorted(files, key=lambda entry: entry.path.encode()))


def _members(data: bytes, limits: Limits) -> Iterator[Member]:
    """Return the members of an archive of any form; the first bytes tell which."""
    if data.startswith(ZSTD_MAGIC):
        return read_tar(expand_zstd(data, expanded_limit(len(data), limits)), limits)
    if data.startswith(GZIP_MAGIC):
        return read_tar(expand_gzip(data, expanded_limit(len(data), limits)), limits)
    if data.startswith((LOCAL_MAGIC, EMPTY_MAGIC)):
        return read_zip(data, limits)
    raise Flaw("unknown-format", "the file is neither tar.zst, tar.gz nor zip")


def _files(members: Iterator[Member], limits: Limits) -> list[FileEntry]:
    """Return the files among the members; directories count only against collisions."""
    files: list[FileEntry] = []
    directories: dict[str, bool] = {}
    taken: dict[str, str] = {}
    total = 0
    for member in members:
        _claim(member, taken, directories)
        total += len(member.data)
        if total > limits.tree_bytes:
            explanation = f"the archive holds more than {limits.tree_bytes} bytes"
            raise Flaw("tree-too-large", explanation, member.path)
        if len(taken) > limits.entries:
            explanation = f"the archive has more than {limits.entries} entries"
            raise Flaw("too-many-entries", explanation, member.path)
        if not member.is_directory and not _is_dropped(member.path, member.data):
            files.append(FileEntry(member.path, member.data, member.executable))
    return files


def _claim(member: Member, taken: dict[str, str], directories: dict[str, bool]) -> None:
    """Hold that no two members have paths some system takes for equal."""
    key = folded(member.path)
    other = taken.setdefault(key, member.path)
    if key not in directories:
        directories[key] = member.is_directory
        return
    if other != member.path:
        explanation = f"the path equals {shown(other)} where case is ignored"
        raise Flaw("case-collision", explanation, member.path)
    if directories[key] != member.is_directory:
        raise Flaw("file-and-directory", "a file is also a directory", member.path)
    raise Flaw("duplicate-path", "the path appears twice", member.path)


def _is_dropped(path: str, data: bytes) -> bool:
    """Tell files that Finder and git leave in archives and no skill means to hold."""
    names = path.split("/")
    if names[-1] in _DROPPED_NAMES or not _DROPPED_FOLDERS.isdisjoint(names[:-1]):
        return True
    return names[-1].startswith("._") and data.startswith(_APPLE_DOUBLE_MAGIC)


def _wrapper(files: list[FileEntry]) -> str:
    """Return the one top folder around a whole skill, or an empty text."""
    if not files:
        return ""
    folder, slash, _ = files[0].path.partition("/")
    prefix = folder + slash
    if not slash or not all(entry.path.startswith(prefix) for entry in files):
        return ""
    paths = {entry.path for entry in files}
    return folder if any(prefix + name in paths for name in _SKILL_FILES) else ""


def _unwrapped(files: list[FileEntry]) -> list[FileEntry]:
    """Take the files out of the one folder around the skill, as in a GitHub download."""
    folder = _wrapper(files)
    if not folder:
        return files
    start = len(folder) + 1
    return [FileEntry(entry.path[start:], entry.data, entry.executable) for entry in files]
