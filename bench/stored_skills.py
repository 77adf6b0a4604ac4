"""Stores, locks and projects of any size, made without a network."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from spm_spec.digests import Digest, blob_digest
from spm_spec.lock import Lock, LockEntry, render_lock
from spm_spec.sources import RegistrySource
from spm_spec.tree import FileEntry
from spm_spec.versions import Version
from spm_store.store import Store

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Generator, Iterable, Iterator, Sequence

PYTHON = sys.executable
SPM = str(Path(PYTHON).with_name("spm"))
VERSION = "1.0.0"
REGISTRY = "https://skills.example.org"
_BATCH = 500
"""How many trees one transaction adds."""


def text_of(number: int, size: int) -> bytes:
    """Text of about that many bytes that no other number has."""
    line = f"| row {number} | value {number * 7919 % 104729} | an agent reads this line |\n"
    return (line * (size // len(line) + 1))[: max(0, size)].encode()


def skill_files(number: int, *, files: int, size: int) -> tuple[FileEntry, ...]:
    """The files of one skill, ``size`` bytes each, equal to no other skill's."""
    entries = [FileEntry("SKILL.md", b"---\nname: x\ndescription: y\n---\n" + b"%d\n" % number)]
    entries += [
        FileEntry(f"references/part-{part:03}.md", text_of(number * 1000 + part, size))
        for part in range(1, files)
    ]
    return tuple(entries)


def name_of(number: int) -> str:
    """The name of a generated skill."""
    return f"bench-{number:05}"


def fill(root: Path, count: int, *, files: int = 2, size: int = 500) -> list[Digest]:
    """Store ``count`` skills without waiting for the disk; return their digests."""
    made: list[Digest] = []
    numbers = iter(range(count))
    with Store.open(root, durability="none") as store:
        while batch := list(islice(numbers, _BATCH)):
            with store.transaction() as transaction:
                for number in batch:
                    entries = skill_files(number, files=files, size=size)
                    tree = transaction.add(entries, name=name_of(number), version=VERSION)
                    made.append(tree.digest)
    return made


def write_texts(project: Path, numbered: Sequence[tuple[int, Digest]]) -> None:
    """Write skills.toml and the skills.lock that fits it."""
    project.mkdir(parents=True)
    entries = tuple(
        LockEntry(
            name=name_of(number),
            version=Version.parse(VERSION),
            source=RegistrySource(REGISTRY),
            tree=tree,
            archive_sha256=blob_digest(name_of(number).encode()).hex,
            archive_size=50_000,
        )
        for number, tree in numbered
    )
    wanted = "".join(f'{entry.name} = "^1"\n' for entry in entries)
    (project / "skills.toml").write_text(
        f'[skills]\n{wanted}\n[registries]\ndefault = "{REGISTRY}"\n'
    )
    requirements = tuple(f"{entry.name}@^1" for entry in entries)
    (project / "skills.lock").write_text(render_lock(Lock(requirements, {}, entries)))


def settings(root: Path) -> dict[str, str]:
    """The environment of a program whose store and cache lie below ``root``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPM_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"SPM_DATA": str(root / "data"), "SPM_CACHE": str(root / "cache")}


def store_below(root: Path) -> Path:
    """Where the program with `settings` of the same root has its store."""
    words = [SPM, "store", "path"]
    done = subprocess.run(
        words, env=settings(root), capture_output=True, text=True, check=True, cwd=root
    )
    return Path(done.stdout.strip())


def write_tree(folder: Path, entries: Iterable[FileEntry]) -> None:
    """Write files plainly, to copy from."""
    for entry in entries:
        path = folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.data)


def disk_bytes(folder: Path) -> int:
    """What `du -s` says, in bytes."""
    done = subprocess.run(["du", "-sk", str(folder)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0]) * 1024


def files_below(folder: Path) -> Iterator[Path]:
    """Every regular file below ``folder``."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def add_folder_option(parser: ArgumentParser) -> None:
    """Let the caller choose the disk."""
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure")


@contextmanager
def fresh_folder(parent: Path | None) -> Generator[Path]:
    """A folder that is gone afterwards, read-only trees and all."""
    folder = Path(tempfile.mkdtemp(prefix="spm-bench-", dir=parent))
    try:
        yield folder
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder, read-only or not; follow no symlink."""
    for parent, folders, _ in os.walk(folder):
        Path(parent).chmod(stat.S_IRWXU)
        folders[:] = [name for name in folders if not Path(parent, name).is_symlink()]
    shutil.rmtree(folder)
