"""Trees in one file, for machines without a network: written from the store, and read into it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from spm.project import read_text
from spm.reach import Reach
from spm.shown import version_text
from spm_spec.errors import EnvironmentFailure, UserMistake

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from spm_spec.digests import Digest
    from spm_spec.streams import StreamedFile
    from spm_store.store import Store, StoredTree

_MAX_TEXT_BYTES = 1024 * 1024
_TEXTS = ("SKILL.md", "skill.md", "skill.yaml")


class NotInStore(UserMistake):
    """A tree is asked for that the store does not hold."""

    def __init__(self, what: str, hint: str) -> None:
        """Name ``what`` was asked for."""
        super().__init__(f"the store has no {what}", hint=hint)


def export_trees(
    environment: Mapping[str, str], names: Sequence[str], *, lock: Path | None, output: Path
) -> tuple[Digest, ...]:
    """Write the named trees, and all that ``lock`` pins, to ``output``; their digests, sorted.

    ``output`` appears whole or not at all.

    Raises:
        NotInStore: a tree is not in the store; nothing is written.
        TreeDamaged: a tree is not what its digest says; nothing is written.
    """
    if not names and lock is None:
        raise UserMistake("nothing to export", hint="name skills, or pass --lock skills.lock")
    store = Reach.of(environment).store()
    wanted: dict[Digest, str | None] = {}
    for name in names:
        wanted |= dict.fromkeys(_named(store, name))
    if lock is not None:
        wanted |= _locked(store, lock)
    with store.lease(f"export to {output}") as lease:
        lease.want(wanted)
        with _replacing(output) as file:
            store.export(wanted, file.write)
    return tuple(sorted(wanted, key=str))


def _named(store: Store, name: str) -> list[Digest]:
    """The trees that a digest or a skill's name means."""
    from spm_spec.digests import DIGEST_PREFIX, Digest

    if name.startswith(DIGEST_PREFIX):
        digest = Digest.parse(name)
        found = [digest] if store.get(digest) is not None else []
    else:
        found = [tree.digest for tree in store.trees() if tree.name == name]
    if not found:
        raise NotInStore(f"tree `{name}`", "`spm store list` shows what it has")
    return found


def _locked(store: Store, path: Path) -> dict[Digest, str | None]:
    """The trees that the lock at ``path`` pins, with the versions it shows them as."""
    from spm_spec.lock import parse_lock

    entries = parse_lock(read_text(path), origin=str(path)).entries
    present = store.paths_of([entry.tree for entry in entries])
    for entry in entries:
        if entry.tree not in present:
            what = f"`{entry.name}` {version_text(entry)}, which `{path}` pins"
            raise NotInStore(what, "run `spm install` with that lock first")
    return {entry.tree: version_text(entry) for entry in entries}


def import_trees(environment: Mapping[str, str], path: Path) -> tuple[StoredTree, ...]:
    """Take what the file at ``path`` holds into the store: a bundle, or one package.

    Raises:
        BundleRefused, PackageRefused, DigestMismatch: it is not accepted; nothing is kept.
    """
    from spm_spec.bundle import BUNDLE_MAGIC

    store = Reach.of(environment).store()
    try:
        with path.open("rb") as file:
            is_bundle = file.read(len(BUNDLE_MAGIC)) == BUNDLE_MAGIC
            file.seek(0)
            if is_bundle:
                return store.import_bundle(file.read, origin=str(path))
            return (_import_package(store, file, str(path)),)
    except OSError as error:
        raise EnvironmentFailure(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _import_package(store: Store, file: BinaryIO, origin: str) -> StoredTree:
    """Store one package; its SKILL.md and skill.yaml are read first, because they name it."""
    from spm.found import UNVERSIONED, UnloadableSkill
    from spm_spec.package_stream import stream_package
    from spm_spec.skill import read_skill

    texts: dict[str, bytes] = {}
    for entry in stream_package(file, origin=origin):
        data = _text_of(entry, origin) if entry.path in _TEXTS else b""
        texts[entry.path] = data
    reading = read_skill(texts, folder=None)
    if reading.skill is None or not reading.loads:
        raise UnloadableSkill(origin, reading.problems)
    file.seek(0)
    name, version = str(reading.skill.name), str(reading.skill.version or UNVERSIONED)
    with store.transaction(purpose=f"import {origin}") as transaction:
        files = stream_package(file, origin=origin)
        return transaction.add(files, name=name, version=version)


def _text_of(entry: StreamedFile, origin: str) -> bytes:
    """The bytes of a file that is read as text; the reader of skills has caps of its own."""
    data = bytearray()
    for chunk in entry.chunks:
        data += chunk
        if len(data) > _MAX_TEXT_BYTES:
            raise UserMistake(f"{origin}: {entry.path} is larger than {_MAX_TEXT_BYTES} bytes")
    return bytes(data)


@contextmanager
def _replacing(path: Path) -> Generator[BinaryIO]:
    """A file that becomes ``path`` when the block ends well, and is gone otherwise."""
    import os

    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise EnvironmentFailure(f"{path}: {(error.strerror or str(error)).lower()}") from error
    finally:
        temporary.unlink(missing_ok=True)
