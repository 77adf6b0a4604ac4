"""One tree or one blob, looked at closely: every single thing that is wrong with it.

Slow and remembering nothing: for what did not have the right digest at first sight.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from spm_spec.digests import DIGEST_BYTES, Digest
from spm_store.blobs import mode_of, name_of_digits
from spm_store.damage import Damage
from spm_store.hashing import FOLDER_MODE, Hashing, Unhashable
from spm_store.trees import decode_directories, walk_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spm_spec.tree import TreeFile

_HEX_DIGITS = frozenset("0123456789abcdef")
_DIGITS = 2 * DIGEST_BYTES


def digits_of(name: str) -> str:
    """Return the digest that ``<digest>`` or ``<digest>-<anything>`` begins with, else ""."""
    digits = name.partition("-")[0]
    return digits if len(digits) == _DIGITS and _HEX_DIGITS.issuperset(digits) else ""


def name_of_blob(blob: bytes) -> str:
    """Return the path below ``blobs/`` of a digest, followed by ``x`` if it is executable."""
    return name_of_digits(blob[:DIGEST_BYTES].hex(), executable=len(blob) > DIGEST_BYTES)


def blob_of_name(name: str) -> bytes | None:
    """Return the inverse of ``name_of_blob``; None for what names no blob."""
    base = name.rpartition("/")[2]
    digits, suffix = digits_of(base), base[_DIGITS:]
    if not digits or suffix not in {"", "-x"}:
        return None
    if name != name_of_digits(digits, executable=bool(suffix)):
        return None
    return bytes.fromhex(digits) + (b"x" if suffix else b"")


def blobs_of(files: tuple[TreeFile, ...]) -> set[bytes]:
    """Return the blobs that the files of a tree share."""
    return {file.digest.raw + (b"x" if file.executable else b"") for file in files if file.size}


def tree_damage(place: str, index: str, digest: Digest, encoded: bytes) -> Iterator[Damage]:
    """Yield what is wrong with the tree at ``place``, and with its directories in the index."""
    try:
        files = decode_directories(encoded, digest)
    except ValueError:
        yield Damage("wrong-index", Path(index), digest)
        return
    try:
        mode = os.lstat(place).st_mode
    except FileNotFoundError:
        yield Damage("missing-tree", Path(place), digest)
        return
    except OSError:
        yield Damage("unreadable", Path(place), digest)
        return
    if not stat.S_ISDIR(mode):
        yield Damage("foreign-entry", Path(place), digest)
        return
    if stat.S_IMODE(mode) != FOLDER_MODE:
        yield Damage("wrong-mode", Path(place), digest)
    yield from _contents(place, digest, {file.path: file for file in files})


def blob_damage(root: str, blob: bytes) -> Iterator[Damage]:
    """Yield what is wrong with the blob, that it is missing included."""
    place, digest = f"{root}/blobs/{name_of_blob(blob)}", Digest(blob[:DIGEST_BYTES])
    try:
        mode = os.lstat(place).st_mode
    except FileNotFoundError:
        yield Damage("missing-blob", Path(place), digest)
        return
    except OSError:
        yield Damage("unreadable", Path(place), digest)
        return
    if stat.S_ISREG(mode):
        yield from _file(place, digest, digest, executable=len(blob) > DIGEST_BYTES)
    else:
        yield Damage("foreign-entry", Path(place), digest)


def _contents(place: str, digest: Digest, missing: dict[str, TreeFile]) -> Iterator[Damage]:
    """Compare a folder with the files it should hold; empties ``missing``."""
    folders = {part for path in missing for part in _parents(path)}
    try:
        for found in walk_tree(place):
            file = missing.pop(found.path, None)
            if found.kind == "foreign":
                yield Damage("foreign-entry", Path(found.place), digest)
            elif found.kind == "file" and file is not None:
                yield from _file(found.place, file.digest, digest, executable=file.executable)
            elif found.kind == "file" or found.path not in folders:
                yield Damage("extra-file", Path(found.place), digest)
            elif stat.S_IMODE(os.lstat(found.place).st_mode) != FOLDER_MODE:
                yield Damage("wrong-mode", Path(found.place), digest)
    except OSError as error:
        yield Damage("unreadable", Path(str(error.filename or place)), digest)
        return
    for path in missing:
        yield Damage("missing-file", Path(f"{place}/{path}"), digest)


def _file(place: str, expected: Digest, owner: Digest, *, executable: bool) -> Iterator[Damage]:
    try:
        content = Hashing().read(place)
    except Unhashable:
        yield Damage("wrong-bytes", Path(place), owner)
        return
    except OSError:
        yield Damage("unreadable", Path(place), owner)
        return
    if content.raw != expected.raw:
        yield Damage("wrong-bytes", Path(place), owner)
    if content.mode != mode_of(executable=executable):
        yield Damage("wrong-mode", Path(place), owner)


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
