"""Private copies of stored trees: made, recognised, and compared with what they were.

A copy holds files 0644 and 0755, never an inode of the store, and one file besides,
the marker, which is written last and names the tree. What a person changes in a copy
is found by hashing it again. Where the file system keeps no modes (FAT), the marker
says so and lists the executables, so that nothing there looks changed.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_spec.digests import DIGEST_PREFIX, Digest
from spm_store.errors import TreeDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spm_spec.tree import FileEntry
    from spm_store.durable import Disk

COPY_MARKER = ".spm-copy"
"""A file in a private copy: a line with the digest it was copied from. Where modes get
lost, a line ``no modes`` and one for each executable follow."""

_DIGEST_DIGITS = 64
_HEX_DIGITS = frozenset("0123456789abcdef")
_NO_MODES = "no modes"
_FILE_MODE, _EXECUTABLE_MODE, _FOLDER_MODE = 0o644, 0o755, 0o755


@dataclass(frozen=True, slots=True)
class Drift:
    """How a private copy differs from the tree it was made of; paths inside it, sorted."""

    changed: tuple[str, ...]
    added: tuple[str, ...]
    missing: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether it differs."""
        return bool(self.changed or self.added or self.missing)


@dataclass(frozen=True, slots=True)
class _Marker:
    digits: str
    executables: frozenset[str] | None
    """None where the modes of the files say it themselves."""


def write_copy(disk: Disk, source: str, target: str, digest: str, *, clone: bool = False) -> int:
    """Copy the stored tree at ``source`` to the new folder ``target``; return how many files.

    With ``clone``, files share extents with the store's (reflink) where the file
    system can; a file that cannot is copied.
    """
    from spm_store.trees import walk_tree

    executables, has_modes, files = list[str](), True, 1
    _make_folder(disk, target)
    for found in walk_tree(source):
        place = f"{target}/{found.path}"
        if found.kind == "folder":
            _make_folder(disk, place)
            continue
        if found.kind != "file":
            raise TreeDamaged(Digest.parse(DIGEST_PREFIX + digest), source, f"`{found.path}`")
        executable = bool(os.lstat(found.place).st_mode & stat.S_IXUSR)
        mode = _EXECUTABLE_MODE if executable else _FILE_MODE
        clone = clone and _cloned(disk, found.place, place, mode)
        if not clone:
            has_modes = _written(disk, found.place, place, mode) and has_modes
        executables += [found.path] * executable
        files += 1
    lines = [DIGEST_PREFIX + digest, *([] if has_modes else [_NO_MODES, *executables])]
    # Last, so that a copy with a marker is whole.
    write_file(disk, f"{target}/{COPY_MARKER}", "\n".join([*lines, ""]).encode(), _FILE_MODE)
    return files


def _make_folder(disk: Disk, place: str) -> None:
    disk.make_folder(place)
    if stat.S_IMODE(os.lstat(place).st_mode) != _FOLDER_MODE:
        disk.set_mode(place, _FOLDER_MODE)


def _cloned(disk: Disk, source: str, target: str, mode: int) -> bool:
    from spm_store.blobs import CANNOT_CLONE

    try:
        disk.clone(source, target, mode)
    except OSError as error:
        if error.errno not in CANNOT_CLONE:
            raise
        return False
    return True


def _written(disk: Disk, source: str, target: str, mode: int) -> bool:
    from spm_store.blobs import read_file

    return write_file(disk, target, read_file(source)[0], mode)


def write_file(disk: Disk, target: str, data: bytes, mode: int) -> bool:
    """Write one new file; False if the bytes are there and the file system keeps no modes."""
    try:
        disk.write_file(target, data, mode)
    except PermissionError:
        if not os.path.lexists(target) or os.lstat(target).st_size != len(data):
            raise
        return False
    return True


def copied_digest(place: str) -> str | None:
    """Return the digits in the marker of a private copy, None if it is none."""
    marker = _marker_of(place)
    return marker.digits if marker is not None else None


def _marker_of(place: str) -> _Marker | None:
    from spm_store.blobs import read_file

    if os.path.islink(place) or not os.path.isdir(place):
        return None
    try:
        text = read_file(f"{place}/{COPY_MARKER}")[0].decode()
    except (OSError, UnicodeDecodeError):
        return None
    first, *rest = text.removesuffix("\n").split("\n")
    digits = first.removeprefix(DIGEST_PREFIX)
    if digits == first or not is_digest(digits):
        return None
    return _Marker(digits, frozenset(rest[1:]) if rest[:1] == [_NO_MODES] else None)


def is_changed(place: str) -> bool:
    """Whether the private copy at ``place`` holds other files than its marker says."""
    from spm_spec.tree import InvalidTree, build_tree
    from spm_store.trees import ForeignEntry

    marker = _marker_of(place)
    if marker is None:
        return True
    try:
        return build_tree(_entries(place, marker.executables)).digest.hex != marker.digits
    except (InvalidTree, ForeignEntry):
        return True


def _entries(place: str, executables: frozenset[str] | None) -> Iterator[FileEntry]:
    """Yield the files of a copy without its marker; ``executables`` count instead of modes."""
    from spm_spec.tree import FileEntry
    from spm_store.blobs import read_file
    from spm_store.trees import ForeignEntry, walk_tree

    for found in walk_tree(place):
        if found.path == COPY_MARKER or found.kind == "folder":
            continue
        if found.kind != "file":
            raise ForeignEntry(found.path, "is neither a file nor a folder with files")
        data, status = read_file(found.place)
        executable = bool(status.st_mode & stat.S_IXUSR)
        if executables is not None:
            executable = found.path in executables
        yield FileEntry(found.path, data, executable)


def drift_of(place: str, tree: str) -> Drift:
    """Compare the private copy at ``place`` with the stored tree at the path ``tree``.

    Raises:
        OSError: one of them cannot be read.

    """
    marker = _marker_of(place)
    executables = marker.executables if marker is not None else None
    wanted, found = _files(tree, None), _files(place, executables)
    found.pop(COPY_MARKER, None)
    both = wanted.keys() & found.keys()
    return Drift(
        changed=tuple(sorted(path for path in both if wanted[path] != found[path])),
        added=tuple(sorted(found.keys() - wanted)),
        missing=tuple(sorted(wanted.keys() - found)),
    )


def _files(place: str, executables: frozenset[str] | None) -> dict[str, tuple[str, bool, object]]:
    """Return kind, executable bit and digest of all below ``place`` but folders in use."""
    from spm_spec.digests import blob_digest
    from spm_store.blobs import read_file
    from spm_store.trees import walk_tree

    files: dict[str, tuple[str, bool, object]] = {}
    for found in walk_tree(place):
        if found.kind == "file":
            data, status = read_file(found.place)
            by_mode = bool(status.st_mode & stat.S_IXUSR)
            executable = by_mode if executables is None else found.path in executables
            files[found.path] = (found.kind, executable, blob_digest(data))
        elif found.kind != "folder":
            files[found.path] = (found.kind, False, None)
    return files


def is_digest(digits: str) -> bool:
    """Whether ``digits`` is a digest in hex, as in the names of trees."""
    return len(digits) == _DIGEST_DIGITS and _HEX_DIGITS.issuperset(digits)


def digest_in_name(path: str) -> str:
    """Return the digits in the name of a tree's folder, "" if it is none."""
    digits, dash, _ = path.rpartition("/")[2].partition("-")
    return digits if dash and is_digest(digits) else ""
