"""A lock in the form that the hot commands read: which link goes where, line by line.

Reading a lock means parsing TOML and building versions, ranges and policies; most
runs of `spm install` need none of that, because they saw the same manifest and lock
before. So an install that worked writes what it found out into the cache, under the
BLAKE3 digest of both texts. A run that finds its two texts there and every tree
still in the store has nothing left to decide.

The form (UTF-8, one a line): the number of skills; for each its name, version and
shelf in the store, with tabs between; then the text of the project's index, with
`PENDING` where times go. It is a cache: damaged or missing, the full program answers.

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
_CONTEXT = "skills-package-manager 2026-11 compiled lock v1"
_MAX_BYTES = 32 * 1024 * 1024


class CompiledLock:
    """Links as (name, version, shelf), and the index that lists them."""

    __slots__ = ("index", "links")

    def __init__(self, links: Sequence[tuple[str, str, str]], index: str) -> None:
        """Keep both; ``index`` has `PENDING` for every time."""
        self.links, self.index = links, index

    def text(self) -> str:
        """The form that `read` reads."""
        lines = [str(len(self.links)), *("\t".join(link) for link in self.links)]
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


def read(path: str) -> CompiledLock | None:
    """The compiled lock in a file, or ``None`` when there is none that is whole."""
    try:
        text = read_bytes(path).decode()
        first, _, rest = text.partition("\n")
        *lines, index = rest.split("\n", int(first))
        links: list[tuple[str, str, str]] = []
        for line in lines:
            name, version, shelf = line.split("\t")
            links.append((name, version, shelf))
    except (OSError, ValueError):
        return None
    return CompiledLock(links, index) if index.endswith("}\n") else None


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


def missing_links(compiled: CompiledLock, skills: str, store: str) -> list[tuple[str, str]] | None:
    """The links that are not there yet, as (path, target).

    ``None`` when something else stands in a link's place, or a tree is gone.
    """
    missing: list[tuple[str, str]] = []
    for name, version, shelf in compiled.links:
        path, target = f"{skills}/{name}", f"{store}/shelves/{shelf}"
        try:
            if os.readlink(path) != target:
                return None
        except FileNotFoundError:
            missing.append((path, target))
        except OSError:
            return None
        try:
            os.stat(f"{target}/{version}/.")
        except OSError:
            return None
    return missing
