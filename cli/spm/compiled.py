"""A lock in the form that the hot commands read: which set shows it, and which skills.

Reading a lock means parsing TOML and building versions, ranges and policies; most
runs of `spm install` need none of that, because they saw the same manifest and lock
before. So an install that worked writes what it found out into the cache, under the
BLAKE3 digest of both texts. A run that finds its two texts there and every tree
still in the store has nothing left to decide.

The form (UTF-8, one a line): the BLAKE3 digest of what follows; the digest of the set in
the store; the number of skills; for each its name and version, with a tab between; then
the text of the project's index, with `PENDING` where times go. It is a cache and never
synced: damaged or missing, the lock is read again.

Rules of this file: nothing is imported that a bare interpreter has not loaded, but
for BLAKE3; paths are text; anything out of the ordinary is `None`.
"""

from __future__ import annotations

import os

from spm import __version__

TYPE_CHECKING = False  # type checkers know the name; see spm/__init__.py
if TYPE_CHECKING:
    from collections.abc import Sequence

PENDING = "0000-00-00T00:00:00Z"
"""Stands for a time until the index is written."""
_TIME_KEYS = ('"installedAt": "', '"lastSyncTime": "')
_CONTEXT = "skills-package-manager 2026-11 compiled lock v3"
_SET_DIGITS, _ROOT_DIGITS = 64, 32
_MAX_BYTES = 32 * 1024 * 1024


class CompiledLock:
    """The set that shows the lock, its skills as (name, version), and the index."""

    __slots__ = ("index", "set", "skills")

    def __init__(self, digest: str, skills: Sequence[tuple[str, str]], index: str) -> None:
        """Keep all three; ``index`` has `PENDING` for every time."""
        self.set, self.skills, self.index = digest, skills, index

    def text(self) -> str:
        """The form that `read` reads."""
        lines = [self.set, str(len(self.skills)), *("\t".join(skill) for skill in self.skills)]
        return "\n".join(lines) + "\n" + self.index


def read_bytes(path: str) -> bytes:
    """A whole file of ordinary size.

    Raises:
        OSError: it cannot be read, or is larger than any that spm writes.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(descriptor, _MAX_BYTES)
        while chunk := os.read(descriptor, _MAX_BYTES):
            data += chunk
            if len(data) > _MAX_BYTES:
                raise OSError(27, "file too large", path)
    finally:
        os.close(descriptor)
    return data


def key_of(manifest: bytes, lock: bytes) -> str:
    """The name of the compiled form of this pair, for this version of spm."""
    from blake3 import blake3

    header = f"{__version__} {len(manifest)} ".encode()
    return blake3(header + manifest + lock, derive_key_context=_CONTEXT).hexdigest()


def root_key(place: str) -> str:
    """The name of the store's file about the project at ``place``; see spec/store.md."""
    from blake3 import blake3

    return blake3(os.fsencode(place)).hexdigest()[:_ROOT_DIGITS]


def read(path: str) -> CompiledLock | None:
    """The compiled lock in a file, or ``None`` when there is none that is whole; see `write`."""
    try:
        seal, _, data = read_bytes(path).partition(b"\n")
        if seal != _seal_of(data):
            return None
        digest, count, rest = data.decode().split("\n", 2)
        *lines, index = rest.split("\n", int(count))
        skills: list[tuple[str, str]] = []
        for line in lines:
            name, version = line.split("\t")
            skills.append((name, version))
    except (OSError, ValueError):
        return None
    whole = index.endswith("}\n") and len(digest) == _SET_DIGITS
    return CompiledLock(digest, skills, index) if whole else None


def write(path: str, compiled: CompiledLock) -> None:
    """Put a compiled lock at ``path``, whole; a cache, so what the system refuses is no failure."""
    folder, _, name = path.rpartition("/")
    new = f"{folder}/.{name}.{os.getpid()}.new"
    data = compiled.text().encode()
    try:
        os.makedirs(folder, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            view = memoryview(_seal_of(data) + b"\n" + data)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)
        os.rename(new, path)
    except OSError:
        return


def _seal_of(data: bytes) -> bytes:
    """What tells a whole form from one that a power cut damaged."""
    from blake3 import blake3

    return blake3(data).hexdigest().encode()


def same_index(found: str, wanted: str) -> bool:
    """Whether two texts of an index differ in their times alone."""
    if len(found) != len(wanted):
        return False
    pairs = zip(found.split("\n"), wanted.split("\n"), strict=False)
    return all(
        one == other or (one.lstrip().startswith(_TIME_KEYS) and _untimed(one) == _untimed(other))
        for one, other in pairs
    )


def _untimed(line: str) -> str:
    key, _, rest = line.partition(': "')
    return key + rest[len(PENDING) :]


def is_stored(compiled: CompiledLock, store: str) -> bool:
    """Whether the store has the set, and every tree that it shows."""
    shown = f"{store}/sets/{compiled.set}"
    try:
        for name, version in compiled.skills:
            os.stat(f"{shown}/{name}/{version}/.")
    except OSError:
        return False
    return True


def is_shown(compiled: CompiledLock, skills: str, store: str) -> int | None:
    """The number of the generation in view if it shows the lock and nothing else is there.

    ``None`` for anything else: the full program finds out what, and sees to it.
    """
    try:
        folder, _, number = os.readlink(f"{skills}/.current").rpartition("/")
        shown = os.readlink(f"{skills}/.current/skills")
        if folder != ".generations" or shown != f"{store}/sets/{compiled.set}":
            return None
        if os.readlink(f"{skills}/index.json") != ".current/index.json":
            return None
        for name, _ in compiled.skills:
            if os.readlink(f"{skills}/{name}") != f".current/skills/{name}":
                return None
        found = os.listdir(skills)
        strangers = set(found).difference(name for name, _ in compiled.skills)
        return None if any(_is_left(skills, name) for name in strangers) else int(number)
    except (OSError, ValueError):
        return None


def _is_left(skills: str, name: str) -> bool:
    """Whether spm must clear away what stands here; what a person put here stays."""
    if name.startswith("."):
        return name == ".next" or name.endswith((".spm-new", ".spm-old"))
    path = f"{skills}/{name}"
    if not os.path.islink(path):
        return os.path.isdir(path)  # perhaps private copies; the full program looks
    return name != "index.json"
