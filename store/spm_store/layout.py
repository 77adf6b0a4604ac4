"""Putting things where a project wants them: a symlink, or a private copy.

Rules:

1. A symlink is ours if it points to ``…/trees/<digest>-<name>`` of a store, or to a shelf
   of that name, or to ``.current/skills/<its own name>``; a folder is ours if it holds the
   marker of a copy. Anything else is the user's: it is refused, and replaced only with
   ``force``.
2. A destination changes in one step, by ``rename`` or by creating what was not there.
   Two exceptions take two steps, because a folder cannot be renamed over: replacing a
   folder by a link, and a copy by a copy. What is left of a crash between them stands
   beside the destination as ``.<name>.spm-old`` and goes with the next change.
3. No symlink is followed, neither the destination's nor any inside a folder removed.
4. A project never gets a writable inode of the store.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from spm_store.copies import copied_digest, digest_in_name, is_changed, write_copy
from spm_store.durable import Disk, remove_tree, wait_for
from spm_store.errors import NotOurs, TreeDamaged, storing
from spm_store.shelves import SHELVES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from spm_store.durable import Durability

VIEW = ".current/skills"
"""What shows the skills of the current generation; the link of each goes by it."""

_REPLACE_ATTEMPTS = 16
_LEVELS = 3  # a copy is at `.copies/DIGEST-NAME/VERSION` of a skills folder
_DISK = Disk()


def link_skill(
    target: Path | str, destination: Path | str, *, force: bool = False, disk: Disk = _DISK
) -> bool:
    """Make ``destination`` a symlink that says ``target``; False if it is one already.

    Folders above are created. One system call for a new link, two for one that is
    right already.

    Raises:
        NotOurs: something of the user's is there, or a private copy that was changed.

    """
    text, place = os.fspath(target), os.fspath(destination)
    with storing(place):
        for _ in range(_REPLACE_ATTEMPTS):
            try:
                _symlink(disk, text, place)
            except FileExistsError:
                pass
            else:
                return True
            if target_of(place) == text:
                return False
            with suppress(FileNotFoundError):  # it went away meanwhile: start again
                _replace_by_link(disk, text, place, force=force)
                return True
        raise NotOurs(place, "another process keeps changing it")


def copy_skill(
    tree: Path | str,
    destination: Path | str,
    *,
    force: bool = False,
    clone: bool = False,
    disk: Disk = _DISK,
) -> bool:
    """Make ``destination`` a private, writable copy of ``tree``; False if it is one already.

    ``tree`` is the path of a stored tree. With ``clone``, the bytes are shared with the
    store by reflink where the file system can. A copy the user has changed is refused,
    and replaced with ``force``.

    Raises:
        NotOurs: something of the user's is there, or a private copy that was changed.

    """
    place = os.fspath(destination)
    return bool(copy_skills({place: os.fspath(tree)}, force=force, clone=clone, disk=disk))


def copy_skills(
    trees: Mapping[str, str],
    *,
    force: bool = False,
    clone: bool = False,
    sync: bool = False,
    disk: Disk = _DISK,
) -> tuple[str, ...]:
    """Make every destination a private copy of its tree; return those that were none.

    All are written beside their places first, and hashed: what is no copy of its tree
    gets no name. With ``sync`` they are on the disk before that, for a copy that a power
    cut tore would look like one that the user changed. Their names are there when this
    returns.

    Raises:
        NotOurs: something of the user's is there, or a private copy that was changed.
        TreeDamaged: a tree is not what its name says.

    """
    new: dict[str, str] = {}
    files = 0
    try:
        for place, source in trees.items():
            with storing(place):
                if copied_digest(place) == digest_in_name(source) and not is_changed(place):
                    continue
                if not force:
                    _refuse_if_not_ours(place)
                _make_folders(disk, os.path.dirname(place))
                new[place] = _beside(place, "new")
                remove_tree(disk, new[place])
                files += _write_checked(disk, source, new[place], clone=clone)
        if new:
            _name_copies(disk, new, files, "batch" if sync else "none")
    finally:
        for written in new.values():
            remove_tree(disk, written)
    return tuple(new)


def _write_checked(disk: Disk, source: str, target: str, *, clone: bool) -> int:
    """Write a copy and read it again; return how many files it has."""
    digest = digest_in_name(source)
    files = write_copy(disk, source, target, digest, clone=clone)
    if is_changed(target):
        from spm_spec.digests import DIGEST_PREFIX, Digest
        from spm_store.trees import damage_of

        tree = Digest.parse(DIGEST_PREFIX + digest)
        raise TreeDamaged(tree, source, damage_of(source, tree) or "it was copied otherwise")
    return files


def _name_copies(disk: Disk, new: Mapping[str, str], files: int, durability: Durability) -> None:
    """Wait for copies of so many ``files``, move them to their places, and wait again."""
    above = os.path.dirname(next(iter(new)))
    with storing(above):
        wait_for(disk, durability, root=above, count=files, paths=_all_in(new.values()))
    for place, written in new.items():
        with storing(place):
            _move_over(disk, written, place)
    with storing(above):
        wait_for(disk, durability, root=above, count=len(new), paths=_folders_above(new))


def _all_in(folders: Iterable[str]) -> Iterator[str]:
    """Yield all files and folders of copies that are being made."""
    for top in folders:
        for folder, _, files in os.walk(top):
            yield from (f"{folder}/{name}" for name in files)
            yield folder


def _folders_above(places: Iterable[str]) -> Iterator[str]:
    """Yield the folders that may be new, or hold a new name."""
    seen: set[str] = set()
    for place in places:
        folder = place
        for _ in range(_LEVELS):
            folder = os.path.dirname(folder)
            if folder and folder not in seen:
                seen.add(folder)
                yield folder


def unlink_skill(destination: Path | str, *, force: bool = False, disk: Disk = _DISK) -> bool:
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
        if _is_folder(place):
            old = _beside(place, "old")
            remove_tree(disk, old)
            disk.move(place, old)
            remove_tree(disk, old)
        else:
            disk.remove_file(place)
    return True


def refuse_if_not_ours(destination: Path | str) -> None:
    """Refuse what ``link_skill``, ``copy_skill`` and ``unlink_skill`` would, changing nothing.

    Raises:
        NotOurs: something of the user's is there, or a private copy that was changed.

    """
    with storing(destination):
        _refuse_if_not_ours(os.fspath(destination))


def is_ours(destination: Path | str, store_root: Path | None = None) -> bool:
    """Whether a link or private copy of spm is at ``destination``.

    With ``store_root``, only links into that store are; without, those into any store,
    so that the links of a store that moved can be replaced.
    """
    place = os.fspath(destination)
    target = target_of(place)
    if target is None:
        return copied_digest(place) is not None
    if store_root is not None:
        store = os.path.abspath(store_root)
        return os.path.dirname(target) in {f"{store}/trees", f"{store}/{SHELVES}"}
    return _is_link_of_ours(place, target)


def target_of(place: str) -> str | None:
    """Return what the symlink at ``place`` says, None if it is no symlink."""
    try:
        return os.readlink(place)
    except OSError:
        return None


def _symlink(disk: Disk, target: str, place: str) -> None:
    try:
        disk.symlink(target, place)
    except FileNotFoundError:
        _make_folders(disk, os.path.dirname(place))
        disk.symlink(target, place)


def _make_folders(disk: Disk, folder: str) -> None:
    """Make ``folder`` and what is missing above it."""
    missing: list[str] = []
    while folder and not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for path in reversed(missing):
        try:
            disk.make_folder(path)
        except FileExistsError:
            if not os.path.isdir(path):
                raise


def _replace_by_link(disk: Disk, target: str, place: str, *, force: bool) -> None:
    if not force:
        _refuse_if_not_ours(place)
    new = _beside(place, "new")
    remove_tree(disk, new)
    # Another process may use the same name: then its link is as good as ours.
    with suppress(FileExistsError):
        disk.symlink(target, new)
    _move_over(disk, new, place)


def _move_over(disk: Disk, new: str, place: str) -> None:
    """Rename ``new`` to ``place``; a folder there is moved aside first, and back on failure."""
    old = _beside(place, "old")
    remove_tree(disk, old)
    if os.path.lexists(place) and (_is_folder(place) or _is_folder(new)):
        disk.move(place, old)
    try:
        disk.move(new, place)
    except OSError:
        if os.path.lexists(old):
            disk.move(old, place)
        raise
    remove_tree(disk, old)


def _refuse_if_not_ours(place: str) -> None:
    target = target_of(place)
    if target is not None:
        if not _is_link_of_ours(place, target):
            raise NotOurs(place, f"a symlink to `{target}`, which is in no store of spm")
        return
    if not os.path.lexists(place):
        return
    if copied_digest(place) is None:
        kind = "folder" if _is_folder(place) else "file"
        raise NotOurs(place, f"a {kind} that spm did not put there")
    if is_changed(place):
        raise NotOurs(place, "a private copy that was changed since it was installed")


def _is_folder(place: str) -> bool:
    return os.path.isdir(place) and not os.path.islink(place)


def _is_link_of_ours(place: str, target: str) -> bool:
    folder, _, name = target.rpartition("/")
    if folder == VIEW:
        return name == os.path.basename(place)
    in_store = folder.endswith(("/trees", f"/{SHELVES}"))
    return os.path.isabs(target) and in_store and digest_in_name(name) != ""


def _beside(place: str, what: str) -> str:
    folder, _, name = place.rpartition("/")
    return f"{folder}/.{name}.spm-{what}" if folder else f".{name}.spm-{what}"
