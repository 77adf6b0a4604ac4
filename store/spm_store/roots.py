"""Roots: what each project keeps in the store, as one small file that the store owns.

``roots/<key>``, the key being the first 32 hex digits of the BLAKE3 of the place::

    spm root 1
    kind project
    place /home/ann/work
    mount /home 7c0e5d1a2b3c4d5e
    generation 4 <64 hex digits of a set>
    end

Places are escaped, so that any path a file system has fits into one line. The file is
replaced whole, before the project links a set it names. What cannot be read is never
taken for empty: nothing is removed then.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from blake3 import blake3

from spm_store.blobs import read_file
from spm_store.errors import RootUnreadable, storing
from spm_store.leases import random_name
from spm_store.locks import gc_lock
from spm_store.sets import is_set_name
from spm_store.shelves import make_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from spm_store.catalogue import Catalogue
    from spm_store.presence import Seat

RootKind: TypeAlias = Literal["project", "profile"]

ROOTS = "roots"
MOST_GENERATIONS = 64
LARGEST_ROOT = 64 * 1024
_KEY_DIGITS = 32
_FIRST_LINE, _LAST_LINE = "spm root 1", "end"
UNFINISHED = ".new-"
_FILE_MODE = 0o644
_KINDS: dict[str, RootKind] = {"project": "project", "profile": "profile"}
_HEX_DIGITS = frozenset("0123456789abcdef")
_PLAIN = frozenset(range(0x21, 0x7F)) - {ord("%")}


@dataclass(frozen=True, slots=True)
class Root:
    """One project or profile, and the sets its generations show."""

    kind: RootKind
    place: Path
    """The project's folder, without symlinks, when it was last installed."""
    mount: Path
    """Where the file system of ``place`` was mounted then."""
    system: str
    """The identity of that file system."""
    generations: Mapping[int, str]
    """Sets, by the numbers of the generations."""


def root_path(store_root: str, place: str) -> str:
    """Return the file that speaks for the project at ``place`` in the store."""
    key = blake3(os.fsencode(os.path.realpath(place))).hexdigest()[:_KEY_DIGITS]
    return f"{store_root}/{ROOTS}/{key}"


def keep(
    store: Catalogue,
    place: Path,
    generations: Mapping[int, str],
    *,
    kind: RootKind = "project",
    seat: Callable[[str], Seat] | None = None,
) -> None:
    """Say what the project at ``place`` needs, in place of what it needed before.

    Comes before the project links any of the sets, while a lease still keeps them.

    Raises:
        StoreFailure: the store cannot be written.

    """
    from spm_store.presence import seat_of

    root, real = os.fspath(store.root), os.path.realpath(place)
    mount, system = (seat or seat_of)(real)
    data = encode(Root(kind, Path(real), Path(mount), system, generations))
    path = root_path(root, real)
    with storing(path), gc_lock(root, exclusive=False):
        if _holds(path, data):
            return
        make_folders(store.disk, f"{root}/{ROOTS}")
        _replace(store, path, data)


def forget(store: Catalogue, place: Path) -> bool:
    """Stop keeping what the project at ``place`` needs; False if nothing was kept."""
    root = os.fspath(store.root)
    path = root_path(root, os.fspath(place))
    if not os.path.lexists(path):
        return False
    with storing(path), gc_lock(root, exclusive=False):
        with suppress(FileNotFoundError):
            store.disk.remove_file(path)
        if store.durability != "none":
            store.disk.sync(f"{root}/{ROOTS}")
    return True


def empty_roots(store: Catalogue) -> None:
    """Let every project keep no set, but stay known; the caller holds ``gc.lock`` exclusively.

    A root that cannot be read is left as it is.
    """
    for path in root_files(os.fspath(store.root)):
        with suppress(RootUnreadable):
            root = read_root(path)
            if root is not None and root.generations:
                _replace(store, path, encode(replace(root, generations={})))


def all_roots(store_root: str) -> tuple[Root, ...]:
    """Return every root, by place.

    Raises:
        RootUnreadable: the folder or one of the files cannot be read.

    """
    roots = (read_root(path) for path in root_files(store_root))
    return tuple(sorted((root for root in roots if root), key=lambda root: root.place))


def root_files(store_root: str) -> list[str]:
    """Return the files of all roots, without those whose writing was interrupted.

    Raises:
        RootUnreadable: the folder cannot be listed.

    """
    folder = f"{store_root}/{ROOTS}"
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error
    return [f"{folder}/{name}" for name in sorted(names) if _is_key(name)]


def unfinished_files(store_root: str) -> list[str]:
    """Return what interrupted writers left beside the roots; hold ``gc.lock`` exclusively."""
    folder = f"{store_root}/{ROOTS}"
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return [f"{folder}/{name}" for name in names if name.startswith(UNFINISHED)]


def read_root(path: str) -> Root | None:
    """Return what a root says, None if it is gone.

    Raises:
        RootUnreadable: it cannot be read, or is not what a writer of roots wrote.

    """
    try:
        if os.lstat(path).st_size > LARGEST_ROOT:
            raise RootUnreadable(path, f"the root is larger than {LARGEST_ROOT} bytes")
        data = read_file(path)[0]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        root = decode(data)
    except ValueError as error:
        raise RootUnreadable(path, f"the root is damaged: {error}") from error
    if not path.endswith(_key_of(root.place)):
        raise RootUnreadable(path, f"the root is damaged: it speaks of `{root.place}`")
    return root


def encode(root: Root) -> bytes:
    """Return the bytes of a root's file."""
    if len(root.generations) > MOST_GENERATIONS:
        message = f"a root keeps at most {MOST_GENERATIONS} generations"
        raise AssertionError(message)
    lines = [
        _FIRST_LINE,
        f"kind {root.kind}",
        f"place {escape(os.fspath(root.place))}",
        f"mount {escape(os.fspath(root.mount))} {root.system}",
        *(f"generation {number} {name}" for number, name in sorted(root.generations.items())),
        _LAST_LINE,
        "",
    ]
    return "\n".join(lines).encode("ascii")


def decode(data: bytes) -> Root:
    """Return what the bytes of a root's file say.

    Raises:
        ValueError: they are not exactly what ``encode`` returns for some root.

    """
    lines = iter(data.decode("ascii").split("\n"))
    if next(lines) != _FIRST_LINE:
        raise ValueError(f"it does not begin with `{_FIRST_LINE}`")
    (said,) = _fields(next(lines, ""), "kind", 1)
    kind = _KINDS.get(said)
    if kind is None:
        raise ValueError(f"`{said}` is no kind of root")
    (place,) = _fields(next(lines, ""), "place", 1)
    mount, system = _fields(next(lines, ""), "mount", 2)
    generations = MappingProxyType(dict(_generations(lines)))
    root = Root(kind, Path(unescape(place)), Path(unescape(mount)), system, generations)
    if len(generations) > MOST_GENERATIONS or encode(root) != data:
        raise ValueError("it is not what spm writes")
    return root


def escape(path: str) -> str:
    """Return ``path`` in printable ASCII without spaces; ``unescape`` gives it back."""
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in os.fsencode(path))


def unescape(text: str) -> str:
    """Return the path that was escaped.

    Raises:
        ValueError: ``text`` holds a ``%`` without two hex digits.

    """
    first, *rest = text.split("%")
    parts = [first.encode("ascii")]
    for part in rest:
        if len(part) < 2 or not _HEX_DIGITS.issuperset(part[:2]):  # noqa: PLR2004 - %xx
            raise ValueError(f"`{text}` is not escaped rightly")
        parts += [bytes.fromhex(part[:2]), part[2:].encode("ascii")]
    return os.fsdecode(b"".join(parts))


def _generations(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    for line in lines:
        if line == _LAST_LINE:
            return
        number, name = _fields(line, "generation", 2)
        if not (number.isdecimal() and is_set_name(name)):
            raise ValueError(f"`{line}` names no generation")
        yield int(number), name
    raise ValueError("it is cut off")


def _fields(line: str, word: str, count: int) -> Sequence[str]:
    found, *fields = line.split(" ")
    if found != word or len(fields) != count:
        raise ValueError(f"`{word}` is missing" if line else "it is cut off")
    return fields


def _is_key(name: str) -> bool:
    return len(name) == _KEY_DIGITS and _HEX_DIGITS.issuperset(name)


def _key_of(place: Path) -> str:
    return blake3(os.fsencode(place)).hexdigest()[:_KEY_DIGITS]


def _holds(path: str, data: bytes) -> bool:
    try:
        return read_file(path)[0] == data
    except OSError:
        return False


def _replace(store: Catalogue, path: str, data: bytes) -> None:
    new = f"{os.path.dirname(path)}/{UNFINISHED}{random_name()}"
    try:
        store.disk.write_file(new, data, _FILE_MODE)
        if store.durability != "none":
            store.disk.sync(new)
        store.disk.move(new, path)
    except OSError:
        with suppress(OSError):
            store.disk.remove_file(new)
        raise
    if store.durability != "none":
        store.disk.sync(os.path.dirname(path))


def _unreadable(path: str, error: OSError) -> RootUnreadable:
    number = error.errno or 0
    return RootUnreadable(path, os.strerror(number).lower(), number=number)
