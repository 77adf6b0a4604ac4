"""A disk that writes down what is done to it, with enough to say what a power cut leaves.

Paths outside the folder are not looked at. SQLite writes its files by itself, so after each
call they are read as they are then. What else appears without a call is written down too, and
listed in ``unseen``: the store's code is to use the disk for every change.
"""

# Paths are strings here, as in the calls they are arguments of.
# ruff: noqa: PTH110, PTH119, PTH123

from __future__ import annotations

import inspect
import os
import sqlite3
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from spm_store.durable import Disk
from tests.store.disk_model import Bytes, Entry, Inode, Mode, State, kind_of, read_inode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.store.disk_model import Effect

DISK_CALLS = tuple(
    name
    for name, value in vars(Disk).items()
    if inspect.isfunction(value) and not name.startswith("_")
)
_SQLITE_FULL = 2  # PRAGMA synchronous
_INDEX_FILES = ("index.sqlite", "index.sqlite-wal")
_NEW_FILE_MODE = 0o600


@dataclass(slots=True)
class Change:
    """Effects that a power cut leaves together or not at all."""

    call: int
    """The number of the call that made it."""
    effects: tuple[Effect, ...]
    durable: int | None = None
    """The number of the call after which no power cut takes it back."""


@dataclass(slots=True)
class IndexState:
    """SQLite's files after a call; ``number`` is the index file's inode."""

    call: int
    number: int
    files: dict[str, bytes]
    durable: int | None = None


@dataclass(slots=True)
class Recording:
    """What happened to a folder, call by call."""

    folder: str
    index: str
    """The folder of the index, below ``folder``."""
    first: State
    calls: list[str] = field(default_factory=list[str])
    changes: list[Change] = field(default_factory=list[Change])
    index_states: list[IndexState] = field(default_factory=list[IndexState])
    unseen: list[str] = field(default_factory=list[str])


class _Note(Protocol):
    def __call__(self, *arguments: object) -> None: ...


class RecordingDisk(Disk):
    """A disk whose calls do what they say and are written down; safe from many threads."""

    def __init__(self, folder: str, index: str, *, lying: bool = False) -> None:
        """Read ``folder`` as it is; a ``lying`` disk says that it waited, and did not."""
        self.recording = Recording(folder, index, State.of(folder))
        self._state = self.recording.first.copy()
        self._lying = lying
        self._lock = threading.RLock()
        self._inside = False
        self._watch(durable=-1)
        for name in DISK_CALLS:
            note: _Note = getattr(self, f"_note_{name}")
            setattr(self, name, self._noted(name, getattr(super(), name), note))

    def _noted(self, name: str, call: Callable[..., object], note: _Note) -> Callable[..., object]:
        def called(*arguments: Any) -> object:
            arguments = gathered(name, arguments)
            with self._lock:
                if self._inside:  # a call that is made of others
                    return call(*arguments)
                self._inside = True
                try:
                    answer = call(*arguments)
                finally:
                    self._inside = False
                if answer is not False:
                    self.recording.calls.append(f"{name} {self._shown(arguments)}")
                    note(*arguments)
                    self._watch()
                return answer

        return called

    def _shown(self, arguments: tuple[object, ...]) -> str:
        texts = [one for one in arguments if isinstance(one, str)]
        return " ".join(text.removeprefix(f"{self.recording.folder}/") for text in texts)

    @property
    def _call(self) -> int:
        return len(self.recording.calls) - 1

    def _change(self, *effects: Effect) -> None:
        self.recording.changes.append(Change(self._call, effects))
        for effect in effects:
            self._state.apply(effect)

    # Where a path is.

    def _inside_path(self, path: str) -> str | None:
        """Return the path below the folder, symlinks above its last name followed."""
        above, _, name = path.rpartition("/")
        real = f"{os.path.realpath(above)}/{name}"
        prefix = f"{self.recording.folder}/"
        return real.removeprefix(prefix) if real.startswith(prefix) else None

    def _parent(self, path: str) -> tuple[Inode, str] | None:
        inside = self._inside_path(path)
        if inside is None:
            return None
        above, _, name = inside.rpartition("/")
        return self._known(above), name

    def _find(self, path: str) -> Inode | None:
        inside = self._inside_path(path)
        if inside is None:
            return None
        return self._state.root if not inside else self._known(inside)

    def _known(self, inside: str) -> Inode:
        """Return the inode at a path; one that came without a call is read now."""
        found = self._state.find(inside)
        if found is not None:
            return found
        above, _, name = inside.rpartition("/")
        parent = self._known(above)
        place = f"{self.recording.folder}/{inside}"
        inode = Inode(kind_of(place))
        if not name.startswith("index"):
            self.recording.unseen.append(inside)
        self._change(Entry(parent, name, inode))
        for effect in read_inode(place, inode, {}):
            self._change(effect)
        return inode

    # One for each call of the disk.

    def _made(self, path: str, inode: Inode, *rest: Effect) -> None:
        where = self._parent(path)
        if where is None:
            return
        inode.number = os.lstat(path).st_ino
        self._change(Entry(*where, inode))
        for effect in rest:
            self._change(effect)

    def _note_make_folder(self, path: str, *_: object) -> None:
        folder = Inode("folder")
        where = self._parent(path)
        if where is not None:
            mode = os.lstat(path).st_mode & 0o7777
            self._change(Entry(*where, folder), Mode(folder, mode))

    def _note_write_file(self, path: str, data: bytes, mode: int) -> None:
        file = Inode("file")
        self._made(path, file, Bytes(file, bytes(data)), Mode(file, mode))

    def _note_write_chunks(self, path: str, chunks: list[bytes], mode: int) -> None:
        self._note_write_file(path, b"".join(chunks), mode)

    def _note_append(self, path: str, data: bytes) -> None:
        where = self._parent(path)
        if where is None:
            return
        file = self._state.entries.get(where[0], {}).get(where[1])
        if file is None:
            file = Inode("file", os.lstat(path).st_ino)
            mode = os.lstat(path).st_mode & 0o7777
            self._change(Entry(*where, file), Mode(file, mode))
        self._change(Bytes(file, self._state.data.get(file, b"") + data))

    def _note_truncate(self, path: str, size: int) -> None:
        file = self._find(path)
        if file is not None:
            self._change(Bytes(file, self._state.data.get(file, b"")[:size]))

    def _note_symlink(self, target: str, path: str) -> None:
        # A journal keeps where a link points together with its name.
        where, link = self._parent(path), Inode("link")
        if where is not None:
            self._change(Entry(*where, link), Bytes(link, os.fsencode(target)))

    def _note_link(self, source: str, target: str) -> None:
        inode = self._find(source)
        if inode is not None:
            self._made(target, inode)

    def _note_clone(self, source: str, target: str, mode: int) -> None:
        inode = self._find(source)
        if inode is not None:
            self._note_write_file(target, self._state.data.get(inode, b""), mode)

    def _note_move(self, source: str, target: str) -> None:
        before, after = self._parent(source), self._parent(target)
        if before is None or after is None:
            return
        inode = self._state.entries.get(before[0], {}).get(before[1])
        if inode is None:  # it came without a call, and is read where it is now
            if not before[1].startswith("index"):
                self.recording.unseen.append(f"before a move: {self._inside_path(source)}")
            inode = Inode(kind_of(target))
            for effect in read_inode(target, inode, {}):
                self._change(effect)
        elif self._state.entries.get(after[0], {}).get(after[1]) is inode:
            return  # renaming one inode onto itself leaves both names
        self._change(Entry(*before, None), Entry(*after, inode))

    def _note_exchange(self, one: str, other: str) -> None:
        first, second = self._parent(one), self._parent(other)
        if first is None or second is None:
            return
        one_now, other_now = self._find(one), self._find(other)
        gone = Entry(*first, None), Entry(*second, None)
        self._change(*gone, Entry(*first, other_now), Entry(*second, one_now))

    def _note_set_mode(self, path: str, mode: int) -> None:
        inode = self._find(os.path.realpath(path))
        if inode is not None:
            self._change(Mode(inode, mode))

    def _note_remove_file(self, path: str) -> None:
        where = self._parent(path)
        if where is not None:
            self._change(Entry(*where, None))

    def _note_remove_folder(self, path: str) -> None:
        self._note_remove_file(path)

    # What is on the disk for good.

    def _note_sync(self, path: str) -> None:
        inode = self._find(path)
        if self._lying or inode is None:
            return
        for change in self.recording.changes:
            if change.durable is None and any(_is_of(inode, one) for one in change.effects):
                change.durable = self._call
        if os.path.basename(path) in _INDEX_FILES:
            self._index_is_durable()

    def _note_sync_all(self, *_: object) -> None:
        if self._lying:
            return
        for change in self.recording.changes:
            if change.durable is None:
                change.durable = self._call
        self._index_is_durable()

    def _note_commit(self, write: Callable[[], None]) -> None:
        self._watch(committed=True)
        if not self._lying and any(_waits(one) for one in connections_of(write)):
            self._index_is_durable()

    def _index_is_durable(self) -> None:
        for state in self.recording.index_states:
            if state.durable is None:
                state.durable = self._call

    def _watch(self, *, committed: bool = False, durable: int | None = None) -> None:
        """Read SQLite's files if they changed."""
        folder = f"{self.recording.folder}/{self.recording.index}"
        try:
            number = os.lstat(f"{folder}/{_INDEX_FILES[0]}").st_ino
        except FileNotFoundError:
            return
        files: dict[str, bytes] = {}
        for name in _INDEX_FILES:
            if os.path.exists(f"{folder}/{name}"):
                with open(f"{folder}/{name}", "rb") as stream:
                    files[name] = stream.read()
        last = self.recording.index_states[-1] if self.recording.index_states else None
        if committed or last is None or (last.number, last.files) != (number, files):
            state = IndexState(self._call, number, files, durable)
            self.recording.index_states.append(state)

    def differences(self) -> list[str]:
        """Return what is in the folder now and cannot be explained by the calls."""
        seen = State.of(self.recording.folder).listing()
        told = self._state.listing()
        return [
            path
            for path in sorted(seen.keys() | told.keys())
            if seen.get(path) != told.get(path) and not _is_aside(path)
        ]


def gathered(name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments of a call; bytes that come by and by are waited for before it."""
    if name != "write_chunks":
        return arguments
    path, chunks, mode = arguments
    return path, list[bytes](chunks), mode


def _is_of(inode: Inode, effect: Effect) -> bool:
    """Whether fsync of ``inode`` waits for ``effect``: a folder's names, a file's bytes."""
    return effect.folder is inode if isinstance(effect, Entry) else effect.inode is inode


def _is_aside(path: str) -> bool:
    """Whether a file is SQLite's, or a lock that holds nothing."""
    name = path.rpartition("/")[2]
    return name.startswith("index.sqlite") or name.endswith("lock")


def connections_of(write: object) -> list[sqlite3.Connection]:
    """Return the connections that a closure writes with."""
    cells = [cell.cell_contents for cell in getattr(write, "__closure__", None) or ()]
    return [value for value in cells if isinstance(value, sqlite3.Connection)]


def _waits(connection: sqlite3.Connection) -> bool:
    (level,) = connection.execute("PRAGMA synchronous").fetchone()
    return int(level) >= _SQLITE_FULL
