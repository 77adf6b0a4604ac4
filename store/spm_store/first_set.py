"""A set that nobody showed yet, made with nothing that a bare interpreter has not loaded.

``sets.show`` does the same with more care, and imports what costs three times as much
as a thousand links. Here is only the case that needs no care: a store of one user on
a disk of this machine, an index of this format, every tree and every shelf as the
skills want them. Anything else is ``False``, and ``sets.show`` sees to it. The order of
what is done is that of spec/collection.md and spec/store.md; tests hold that both
leave the same.
"""

from __future__ import annotations

import os
import stat

from spm_store.bare import Calls, mount_of, read_text

TYPE_CHECKING = False  # type checkers know the name; importing typing costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Sequence

    from spm_store.durable import Disk

    Skill = tuple[str, str, str]
    """Name, version, and the tree's digest in hex."""

SET_CONTEXT = "skills-package-manager 2026-11 set v1"
_LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs", "overlay", "zfs"})
_GROUP_SHARES = 0o2020  # set-group-id, and writable for the group
_FORMAT = 2
_LISTED_FOR_ONE = 4
"""So many names of a folder are read in the time that one of them is asked for."""
_WORK_FOLDER = "tmp"
_SETS_LOOKED_AT, _STRANGERS = 100, 50
"""Among so many the newest is found; after so many other links, no more are tried."""
_QUERY_DIGESTS = 500
_LOCK_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PATH_CHARACTERS = frozenset("/._-+abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def listing_of(skills: Sequence[Skill]) -> bytes:
    """The listing of a set, as ``sets.listing_of``; ``skills`` are sorted by name."""
    return "".join([f"{name}\t{version}\t{tree}\n" for name, version, tree in skills]).encode()


def set_digest(listing: bytes) -> str:
    """The 64 hex digits that name the set with this listing."""
    from blake3 import blake3

    return blake3(listing, derive_key_context=SET_CONTEXT).hexdigest()


class FirstSet:
    """One set, and the lease that keeps it until the caller's root names it."""

    def __init__(
        self,
        store: str,
        skills: Sequence[Skill],
        *,
        durable: bool,
        disk: type[Calls] | Disk = Calls,
    ) -> None:
        """Know the store and the skills, sorted by name; nothing is done yet."""
        self._store, self._skills, self._durable, self._disk = store, skills, durable, disk
        self._listing = listing_of(skills)
        self.digest = set_digest(self._listing)
        self._lease = ""
        self.held = -1
        """The descriptor that holds the lease, once there is one."""
        self._staged = ""

    def make(self, place: str) -> bool:
        """Have the set, for the project at ``place``; ``False`` where that takes more than this.

        Whatever it says, and however it fails, ``close`` comes after.
        """
        purpose = f"installing into {place}"
        try:
            if not _is_plain_store(self._store) or not _is_plain(purpose):
                return False
            if os.path.lexists(f"{self._store}/sets/{self.digest}"):
                return False
            if not self._take_lease(purpose) or not self._has_all():
                return False
            self._build()
            return self._publish()
        except OSError:
            return False

    def close(self) -> None:
        """Let go of the lease; what the system refuses to remove now is swept later."""
        if self.held < 0:
            return
        try:
            if self._staged and os.path.lexists(self._staged):
                for name in os.listdir(self._staged):
                    self._disk.remove_file(f"{self._staged}/{name}")
                self._disk.remove_folder(self._staged)
            if os.path.lexists(f"{self._lease}/lease"):
                self._disk.remove_file(f"{self._lease}/lease")
            self._disk.remove_folder(self._lease)
        except OSError:
            pass  # the flock is let go of below: the next transaction sweeps the folder
        finally:
            os.close(self.held)
            self.held = -1

    def _take_lease(self, purpose: str) -> bool:
        """Say what is needed, before anyone asks whether it is there."""
        import fcntl

        self._lease = f"{self._store}/{_WORK_FOLDER}/{os.urandom(16).hex()}"
        self._disk.make_folder(self._lease, 0o700)
        self.held = os.open(self._lease, _FOLDER_FLAGS)
        fcntl.flock(self.held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.lexists(self._lease):
            return False  # a sweeper was quicker
        boot = read_text("/proc/sys/kernel/random/boot_id").strip()
        head = ("spm lease 1", f"boot {boot}", f"process {os.getpid()}", f"purpose {purpose}")
        wanted = sorted({self.digest, *(tree for _, _, tree in self._skills)})
        record = "\n".join([*head, *wanted, ""]).encode()
        lock = os.open(f"{self._store}/gc.lock", _LOCK_FLAGS)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)
            self._disk.write_file(f"{self._lease}/lease", record, 0o644)
        finally:
            os.close(lock)
        return True

    def _has_all(self) -> bool:
        """Whether every tree has a row and a folder, and a shelf with the version."""
        names, total = self._names()
        store, folders = self._store, self._folders(total)
        for name, version, tree in self._skills:
            if names.get(tree) != name:
                return False
            folder = f"{tree}-{name}"
            if os.readlink(f"{store}/shelves/{folder}/{version}") != f"../../trees/{folder}":
                return False
            if folders is None:
                if not stat.S_ISDIR(os.lstat(f"{store}/trees/{folder}").st_mode):
                    return False
            elif folder not in folders:
                return False
        return True

    def _folders(self, total: int) -> set[str] | None:
        """Every tree's folder, where reading them all costs less than asking for each."""
        if total > _LISTED_FOR_ONE * len(self._skills):
            return None
        with os.scandir(f"{self._store}/trees") as entries:
            return {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}

    def _names(self) -> tuple[dict[str, str], int]:
        """The name of each tree that has a row, and how many rows there are in all.

        Nothing from an index of another format.
        """
        import sqlite3

        trees = [tree for _, _, tree in self._skills]
        place = f"file:{self._store}/index.sqlite?mode=rw"
        connection = sqlite3.connect(place, timeout=60.0, isolation_level=None, uri=True)
        try:
            if connection.execute("PRAGMA user_version").fetchone() != (_FORMAT,):
                return {}, 0
            ((total,),) = connection.execute("SELECT count(*) FROM trees")
            found: dict[str, str] = {}
            for start in range(0, len(trees), _QUERY_DIGESTS):
                some = [bytes.fromhex(tree) for tree in trees[start : start + _QUERY_DIGESTS]]
                marks = ",".join("?" * len(some))
                query = f"SELECT hex(digest), name FROM trees WHERE digest IN ({marks})"  # noqa: S608 - marks
                for digest, name in connection.execute(query, some):
                    found[digest.lower()] = name
        finally:
            connection.close()
        return found, total

    def _build(self) -> None:
        """Make the set in the lease."""
        disk, staged = self._disk, f"{self._lease}/{os.urandom(16).hex()}"
        self._staged = staged
        disk.make_folder(staged, 0o755)
        like, strange = self._newest_set(), 0
        for name, _, tree in self._skills:
            text, place = f"../../shelves/{tree}-{name}", f"{staged}/{name}"
            if like and strange < _STRANGERS:
                if self._is_shared(f"{like}/{name}", place, text):
                    continue
                strange += 1
            disk.symlink(text, place)
        disk.write_file(f"{staged}/.listing", self._listing, 0o444)
        if self._durable:
            disk.sync(f"{staged}/.listing")
            disk.sync(staged)

    def _newest_set(self) -> str:
        """The set that this one is likely to have most links in common with, "" if there is none.

        A link of that many characters takes a block of the disk; one with two names, one.
        """
        sets = f"{self._store}/sets"
        names = os.listdir(sets)[:_SETS_LOOKED_AT] if os.path.lexists(sets) else []
        changed = {f"{sets}/{name}": os.lstat(f"{sets}/{name}").st_mtime for name in names}
        return max(changed, key=changed.__getitem__) if changed else ""

    def _is_shared(self, source: str, place: str, text: str) -> bool:
        """Whether the link of another set now has a second name here, and says ``text``."""
        try:
            self._disk.link(source, place)
        except OSError:  # none there, or links of links are none of this file system's
            return False
        if os.readlink(place) == text:
            return True
        self._disk.remove_file(place)
        return False

    def _publish(self) -> bool:
        """Move the set to its place; ``False`` if another made the same meanwhile."""
        import fcntl

        disk, sets = self._disk, f"{self._store}/sets"
        place = f"{sets}/{self.digest}"
        lock = os.open(f"{self._store}/gc.lock", _LOCK_FLAGS)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)
            first = not os.path.isdir(sets)
            if first:
                disk.make_folder(sets)
            if os.path.lexists(place):
                return False
            disk.move(self._staged, place)
            disk.set_mode(place, 0o555)
            if self._durable:
                disk.sync(sets)
                if first:
                    disk.sync(self._store)
        finally:
            os.close(lock)
        return True


def _is_plain_store(store: str) -> bool:
    """Whether it is on a disk of this machine, ours alone, and has a path without surprises."""
    if not store.startswith("/") or not _PATH_CHARACTERS.issuperset(store):
        return False
    mode = os.stat(store).st_mode
    if mode & _GROUP_SHARES == _GROUP_SHARES:
        return False
    return mount_of(os.path.realpath(store))[1] in _LOCAL


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and "%" not in text and len(text) <= 400  # noqa: PLR2004 - as lease_records
