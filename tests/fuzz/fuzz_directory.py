"""The decoder of directories: what it takes encodes to the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from spm_spec.tree import FileEntry, InvalidTree, build_tree, decode_directory, encode_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "tree"
FILES = (
    FileEntry("SKILL.md", b"text"),
    FileEntry("scripts/run.sh", b"#!/bin/sh\n", executable=True),
    FileEntry("scripts/é", bytes(300)),
    FileEntry("scripts/" + "long" * 20, bytes(70_000)),
)


def seeds() -> Iterator[bytes]:
    """Yield good directories, and those that the vectors refuse."""
    yield from build_tree(FILES).directories.values()
    for path in sorted(VECTORS.glob("directory-*.json")):
        yield bytes.fromhex(json.loads(path.read_text("utf-8"))["directory"])


def target(data: bytes) -> None:
    """Decode and encode again."""
    try:
        nodes = decode_directory(data)
    except InvalidTree:
        return
    if encode_directory(nodes) != data:
        raise AssertionError("a directory has two encodings")
