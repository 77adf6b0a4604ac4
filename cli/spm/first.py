"""The first generation of a project, made with nothing that a bare interpreter has not loaded.

The modules of the store do the same with more care and cost three times as much to
import as a thousand links cost to make. Here is only the case they are not needed for:
a folder with nothing in it, a store that has the whole set, names that need no
escaping. Anything else is ``False``, and the full program does it. Tests hold that both
write the same bytes; spec/installed.md and spec/store.md say which.
"""

from __future__ import annotations

import os

from spm import compiled
from spm_store.bare import Calls, mount_of

TYPE_CHECKING = False  # type checkers know the name; see spm/__init__.py
if TYPE_CHECKING:
    from collections.abc import Mapping

_SHARED_IDENTITY = frozenset({"overlay", "aufs", "fuse.fuse-overlayfs"})
_GROUP_SHARES = 0o2020  # set-group-id, and writable for the group


class FirstGeneration:
    """One generation for a skills folder that has none; the caller holds the folder's lock."""

    def __init__(
        self, root: str, store: str, *, durable: bool, disk: type[Calls] | Calls = Calls
    ) -> None:
        """Know the project at ``root`` and the store; ``durable`` waits for the store's root."""
        self._root, self._store, self._durable, self._disk = root, store, durable, disk
        self._skills = f"{root}/.roundtable/skills"

    def keep(self, digest: str) -> bool:
        """Tell the store that generation 1 of the project shows the set ``digest``.

        Comes before anyone asks whether the store has the set.
        """
        import fcntl

        place = os.path.realpath(self._root)
        text = root_text(place, {1: digest})
        path = f"{self._store}/roots/{compiled.root_key(place)}"
        mode = os.stat(self._store).st_mode  # noqa: PTH116  # nothing else needs pathlib
        if text is None or mode & _GROUP_SHARES == _GROUP_SHARES:
            return False
        held = os.open(f"{self._store}/gc.lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(held, fcntl.LOCK_SH)
            if not os.path.lexists(f"{self._store}/roots"):
                self._disk.make_folder(f"{self._store}/roots")
            new = f"{self._store}/roots/.new-{os.urandom(16).hex()}"
            self._disk.write_file(new, text, 0o644)
            if self._durable:
                self._disk.sync(new)
            self._disk.move(new, path)
            if self._durable:
                self._disk.sync(f"{self._store}/roots")
        finally:
            os.close(held)
        return True

    def show(self, wanted: compiled.CompiledLock, documents: Mapping[str, bytes]) -> None:
        """Make generation 1 and bring it into view.

        Nothing of it is synced: what a power cut takes of it is installed again.
        """
        disk, skills = self._disk, self._skills
        generation = f"{skills}/.generations/1"
        disk.make_folder(f"{skills}/.generations")
        disk.symlink(".generations/1", f"{skills}/.next")
        disk.make_folder(generation)
        disk.symlink(f"{self._store}/sets/{wanted.set}", f"{generation}/skills")
        for name, data in documents.items():
            disk.write_file(f"{generation}/{name}", data, 0o644)
        disk.symlink(".current/index.json", f"{skills}/index.json")
        link = disk.symlink
        for name, _ in wanted.skills:
            link(f".current/skills/{name}", f"{skills}/{name}")
        disk.move(f"{skills}/.next", f"{skills}/.current")


def root_text(place: str, generations: Mapping[int, str]) -> bytes | None:
    """The store's file about the project at ``place``; ``None`` if it needs escaping."""
    seat = _seat_of(place)
    if seat is None or not (_is_plain(place) and _is_plain(seat[0])):
        return None
    lines = [
        "spm root 1",
        "kind project",
        f"place {place}",
        f"mount {seat[0]} {seat[1]}",
        *(f"generation {number} {digest}" for number, digest in generations.items()),
        "end\n",
    ]
    return "\n".join(lines).encode()


def _seat_of(place: str) -> tuple[str, str] | None:
    """The mount point of ``place``, and the identity of its file system."""
    point, kind = mount_of(place)
    if not point or "\\" in point:
        return None
    identity = os.statvfs(point).f_fsid
    if not identity or kind in _SHARED_IDENTITY:
        return point, f"{identity:x}.{os.lstat(point).st_dev:x}"
    return point, f"{identity:x}"


def _is_plain(path: str) -> bool:
    return path.isascii() and path.isprintable() and not {" ", "%"}.intersection(path)
