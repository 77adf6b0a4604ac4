"""Putting a stored tree where a project wants it: one symlink, or a private copy.

Rules:

1. A symlink is ours if it points to ``…/trees/<digest>-<name>`` of a store, or to a shelf
   of that name; a folder is ours if it holds the marker of a copy. Anything else is the
   user's: it is refused, and replaced only with ``force``.
2. A destination changes in one step, by ``rename`` or by creating what was not there.
   Two exceptions take two steps, because a folder cannot be renamed over: replacing a
   folder by a link, and a copy by a copy. What is left of a crash between them stands
   beside the destination as ``.<name>.spm-old`` and goes with the next change.
3. No symlink is followed, neither the destination's nor any inside a folder removed.
4. A project never gets a writable inode of the store.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from spm_spec.digests import DIGEST_PREFIX, Digest
from spm_store.durable import Disk, remove_tree
from spm_store.errors import NotOurs, TreeDamaged, storing
from spm_store.shelves import SHELVES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

COPY_MARKER = ".spm-copy"
"""A file in a private copy: the digest it was copied from, and a line feed."""

_DIGEST_DIGITS = 64
_HEX_DIGITS = frozenset("0123456789abcdef")
_MARKER_BYTES = 128
_REPLACE_ATTEMPTS = 16
_COPY_FILE_MODE, _COPY_EXECUTABLE_MODE, _COPY_FOLDER_MODE = 0o644, 0o755, 0o755
_DISK = Disk()


def link_skill(tree: Path, destination: Path, *, force: bool = False) -> bool:
    """Make ``destination`` a symlink to ``tree``; False if it is one already.

    ``tree`` is the path of a stored tree. Folders above are created. One system call
    for a new link, two for one that is right already.

    Raises:
        NotOurs: something of the user's is there, or a private copy that was changed.

    """
    target, place = os.fspath(tree), os.fspath(destination)
    with storing(place):
        for _ in range(_REPLACE_ATTEMPTS):
            try:
                _symlink(target, place)
            except FileExistsError:
                pass
            else:
                return True
            if _target_of(place) == target:
                return False
            with suppress(FileNotFoundError):  # it went away meanwhile: start again
                _replace_by_link(target, place, force=force)
                return True
        raise NotOurs(place, "another process keeps changing it")


def link_many(links: Iterable[tuple[Path, Path]], *, force: bool = False) -> int:
    """Link many ``(tree, destination)``; return how many were not right already.

    Stops at the first refusal; links made before it stay.
    """
    return sum(link_skill(tree, destination, force=force) for tree, destination in links)


def copy_skill(tree: Path, destination: Path, *, force: bool = False) -> bool:
    """Make ``destination`` a private, writable copy of ``tree``; False if it is one already.

    A copy the user has changed is refused, and replaced with ``force``.

    Raises:
        NotOurs: something of the user's is there, or a private copy that was changed.

    """
    source, place = os.fspath(tree), os.fspath(destination)
    digest = _digest_in_name(source)
    with storing(place):
        if _copied_digest(place) == digest and not _is_changed(place):
            return False
        if not force:
            _refuse_if_not_ours(place)
        new = _beside(place, "new")
        os.makedirs(os.path.dirname(place), exist_ok=True)
        remove_tree(_DISK, new)
        try:
            _copy(source, new, digest)
            _move_over(new, place)
        finally:
            remove_tree(_DISK, new)
    return True


def unlink_skill(destination: Path, *, force: bool = False) -> bool:
    """Remove the link or private copy at ``destination``; False if nothing is there.

    Raises:
        NotOurs: something of the user's is there, or a private copy that was changed.

    """
    place = os.fspath(destination)
    with storing(place):
        if not os.path.lexists(place):
            return False
        if not force:
            _refuse_if_not_ours(place)
        if os.path.isdir(place) and not os.path.islink(place):
            old = _beside(place, "old")
            remove_tree(_DISK, old)
            os.rename(place, old)
            remove_tree(_DISK, old)
        else:
            os.unlink(place)
    return True


def refuse_if_not_ours(destination: Path) -> None:
    """Refuse what ``link_skill``, ``copy_skill`` and ``unlink_skill`` would, changing nothing.

    Raises:
        NotOurs: something of the user's is there, or a private copy that was changed.

    """
    with storing(destination):
        _refuse_if_not_ours(os.fspath(destination))


def is_ours(destination: Path, store_root: Path | None = None) -> bool:
    """Whether a link or private copy of spm is at ``destination``.

    With ``store_root``, only links into that store are; without, those into any store,
    so that the links of a store that moved can be replaced.
    """
    place = os.fspath(destination)
    target = _target_of(place)
    if target is None:
        return _copied_digest(place) is not None
    if store_root is not None:
        store = os.path.abspath(store_root)
        return os.path.dirname(target) in {f"{store}/trees", f"{store}/{SHELVES}"}
    return _is_tree_path(target)


def is_changed(destination: Path) -> bool:
    """Whether the private copy at ``destination`` differs from the tree it was made of."""
    with storing(destination):
        return _is_changed(os.fspath(destination))


def _symlink(target: str, place: str) -> None:
    try:
        os.symlink(target, place)
    except FileNotFoundError:
        _make_folders(os.path.dirname(place))
        os.symlink(target, place)


def _make_folders(folder: str) -> None:
    """Make ``folder``; one call where the folder above is there, as it mostly is."""
    try:
        os.mkdir(folder)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise


def _replace_by_link(target: str, place: str, *, force: bool) -> None:
    if not force:
        _refuse_if_not_ours(place)
    new = _beside(place, "new")
    remove_tree(_DISK, new)
    # Another process may use the same name: then its link is as good as ours.
    with suppress(FileExistsError):
        os.symlink(target, new)
    _move_over(new, place)


def _move_over(new: str, place: str) -> None:
    """Rename ``new`` to ``place``; a folder there is moved aside first, and back on failure."""
    old = _beside(place, "old")
    remove_tree(_DISK, old)
    if os.path.lexists(place) and (_is_folder(place) or _is_folder(new)):
        os.rename(place, old)
    try:
        os.rename(new, place)
    except OSError:
        if os.path.lexists(old):
            os.rename(old, place)
        raise
    remove_tree(_DISK, old)


def _refuse_if_not_ours(place: str) -> None:
    target = _target_of(place)
    if target is not None:
        if not _is_tree_path(target):
            raise NotOurs(place, f"a symlink to `{target}`, which is in no store of spm")
        return
    if not os.path.lexists(place):
        return
    if _copied_digest(place) is None:
        kind = "folder" if _is_folder(place) else "file"
        raise NotOurs(place, f"a {kind} that spm did not put there")
    if _is_changed(place):
        raise NotOurs(place, "a private copy that was changed since it was installed")


def _copy(source: str, target: str, digest: str) -> None:
    from spm_store.blobs import read_file
    from spm_store.trees import walk_tree

    os.mkdir(target)
    os.chmod(target, _COPY_FOLDER_MODE)
    for found in walk_tree(source):
        place = f"{target}/{found.path}"
        if found.kind == "file":
            data, status = read_file(found.place)
            executable = status.st_mode & stat.S_IXUSR
            _DISK.write_file(place, data, _COPY_EXECUTABLE_MODE if executable else _COPY_FILE_MODE)
        elif found.kind == "folder":
            os.mkdir(place)
            os.chmod(place, _COPY_FOLDER_MODE)
        else:
            raise TreeDamaged(Digest.parse(DIGEST_PREFIX + digest), source, f"`{found.path}`")
    # Last, so that a copy with a marker is whole.
    _DISK.write_file(f"{target}/{COPY_MARKER}", f"blake3:{digest}\n".encode(), _COPY_FILE_MODE)


def _copied_digest(place: str) -> str | None:
    """Return the digits in the marker of a private copy, None if it is none."""
    from spm_store.blobs import read_file

    if not _is_folder(place):
        return None
    try:
        text = read_file(f"{place}/{COPY_MARKER}")[0][:_MARKER_BYTES].decode("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    prefix, _, digits = text.removesuffix("\n").partition(":")
    return digits if prefix == "blake3" and _is_digest(digits) else None


def _is_changed(place: str) -> bool:
    """Whether a private copy holds other files than its marker says."""
    from spm_spec.tree import InvalidTree
    from spm_store.trees import ForeignEntry, read_tree

    digits = _copied_digest(place)
    try:
        return read_tree(place, without=COPY_MARKER).digest.hex != digits
    except (InvalidTree, ForeignEntry):
        return True


def _target_of(place: str) -> str | None:
    """Return what the symlink at ``place`` says, None if it is no symlink."""
    try:
        return os.readlink(place)
    except OSError:
        return None


def _is_folder(place: str) -> bool:
    return os.path.isdir(place) and not os.path.islink(place)


def _is_tree_path(target: str) -> bool:
    folder, _, name = target.rpartition("/")
    in_store = folder.endswith(("/trees", f"/{SHELVES}"))
    return os.path.isabs(target) and in_store and _digest_in_name(name) != ""


def _digest_in_name(path: str) -> str:
    """Return the digits in the name of a tree's folder, "" if it is none."""
    digits, dash, _ = path.rpartition("/")[2].partition("-")
    return digits if dash and _is_digest(digits) else ""


def _is_digest(digits: str) -> bool:
    return len(digits) == _DIGEST_DIGITS and _HEX_DIGITS.issuperset(digits)


def _beside(place: str, what: str) -> str:
    folder, _, name = place.rpartition("/")
    return f"{folder}/.{name}.spm-{what}" if folder else f".{name}.spm-{what}"
