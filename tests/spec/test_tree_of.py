"""Trees of files whose digests are known already are the trees of their bytes."""

from __future__ import annotations

import pytest

from spm_spec.digests import blob_digest
from spm_spec.tree import FileEntry, InvalidTree, TreeFile, build_tree, tree_of

FILES = (
    FileEntry("SKILL.md", b"text"),
    FileEntry("scripts/run.sh", b"#!/bin/sh\n", executable=True),
    FileEntry("scripts/empty", b""),
)


def known(entry: FileEntry) -> TreeFile:
    return TreeFile(entry.path, blob_digest(entry.data), entry.executable, len(entry.data))


def test_a_tree_of_known_digests_is_the_tree_of_the_bytes() -> None:
    assert tree_of(map(known, FILES)) == build_tree(FILES)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("SKILL.md", "duplicate-path"),
        ("skill.MD", "case-collision"),
        ("SKILL.md/a", "file-and-directory"),
        ("scripts", "file-and-directory"),
        ("a/../b", "dot-name"),
        ("a/b/", "empty-name"),
        ("CON/a", "reserved-name"),
    ],
)
def test_a_tree_of_known_digests_refuses_the_same_paths(path: str, reason: str) -> None:
    files = [*map(known, FILES), known(FileEntry(path, b""))]

    with pytest.raises(InvalidTree) as caught:
        tree_of(files)

    assert caught.value.reason == reason
