"""A skill as one archive file: `.spm`, written one way, read strictly.

Writing is deterministic. Reading recognises tar.zst, tar.gz and zip by content and
yields validated files; it never writes a file, and nobody may use an archive's path
to write one. What cannot be read in exactly one way is refused, with a named
reason. See spec/package.md.
"""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Literal

from spm_spec.errors import HostileDataError
from spm_spec.package_compression import (
    GZIP_MAGIC,
    expand_gzip,
    expand_zstd,
    gzip_stored,
    zstd_compressed,
)
from spm_spec.package_members import Flaw, Member, expanded_limit
from spm_spec.package_tar import read_tar, write_tar
from spm_spec.package_zip import LOCAL_MAGIC, read_zip, write_zip
from spm_spec.package_zip_directory import EMPTY_MAGIC, Extent
from spm_spec.tree import DEFAULT_LIMITS, FileEntry, InvalidTree, Limits, check_files
from spm_spec.tree_names import folded, shown
from spm_spec.zstd_frame import ZSTD_MAGIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from spm_spec.streams import Source

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
    check_files((entry.path, len(entry.data)) for entry in ordered)
    for entry in ordered:
        if is_dropped(entry.path, entry.data):
            raise InvalidTree("not-carried", entry.path, "a package does not carry such files")
    if start := wrapper_length([entry.path for entry in ordered]):
        folder = ordered[0].path[: start - 1]
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
    files: list[FileEntry] = []
    try:
        for member in read_members(BytesIO(data), limits):
            content = b"".join(member.chunks)
            if not member.is_directory and not is_dropped(member.path, content):
                files.append(FileEntry(member.path, content, member.executable))
        start = wrapper_length([entry.path for entry in files])
        if start:
            files = [replace(entry, path=entry.path[start:]) for entry in files]
        check_files(((entry.path, len(entry.data)) for entry in files), limits)
    except (Flaw, InvalidTree) as flaw:
        raise refusal(flaw, origin) from flaw
    return tuple(sorted(files, key=lambda entry: entry.path.encode()))


def refusal(flaw: Flaw | InvalidTree, origin: str) -> PackageRefused:
    """Return the refusal of the archive from ``origin`` for a flaw."""
    return PackageRefused(origin, flaw.reason, flaw.explanation, flaw.path)


def read_members(source: Source, limits: Limits) -> Iterator[Member]:
    """Yield the members of an archive of any form; the first bytes tell which.

    Each is held against those before it. Its chunks must be taken before the next.

    Raises:
        Flaw: the archive is not accepted.
        InvalidTree: a path no tree can hold.

    """
    directories: dict[str, bool] = {}
    taken: dict[str, str] = {}
    total = 0
    for member in _members(source, limits):
        _claim(member, taken, directories)
        total += member.size
        if total > limits.tree_bytes:
            explanation = f"the archive holds more than {limits.tree_bytes} bytes"
            raise Flaw("tree-too-large", explanation, member.path)
        if len(taken) > limits.entries:
            explanation = f"the archive has more than {limits.entries} entries"
            raise Flaw("too-many-entries", explanation, member.path)
        yield member


def _members(source: Source, limits: Limits) -> Iterator[Member]:
    """Return the members of an archive, each checked by itself."""
    size = source.seek(0, 2)
    source.seek(0)
    magic = source.read(4)
    if magic == ZSTD_MAGIC:
        return read_tar(expand_zstd(source, size, expanded_limit(size, limits)), limits)
    if magic.startswith(GZIP_MAGIC):
        return read_tar(expand_gzip(source, size, expanded_limit(size, limits)), limits)
    if magic in {LOCAL_MAGIC, EMPTY_MAGIC}:
        return read_zip(Extent(source, size), limits)
    raise Flaw("unknown-format", "the file is neither tar.zst, tar.gz nor zip")


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


def is_dropped(path: str, start: bytes) -> bool:
    """Tell files that Finder and git leave in archives and no skill means to hold.

    ``start`` is at least the first four bytes of the file's data, if it has as many.
    """
    names = path.split("/")
    if names[-1] in _DROPPED_NAMES or not _DROPPED_FOLDERS.isdisjoint(names[:-1]):
        return True
    return names[-1].startswith("._") and start.startswith(_APPLE_DOUBLE_MAGIC)


def wrapper_length(paths: Sequence[str]) -> int:
    """Return how long the one top folder around a whole skill is, with its slash, or 0.

    GitHub's downloads have one.
    """
    if not paths:
        return 0
    folder, slash, _ = paths[0].partition("/")
    prefix = folder + slash
    if not slash or not all(path.startswith(prefix) for path in paths):
        return 0
    known = set(paths)
    return len(prefix) if any(prefix + name in known for name in _SKILL_FILES) else 0
