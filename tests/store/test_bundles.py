"""Bundles: many trees as one file, out of one store and into another."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spm_spec.bundle import BundleRefused
from spm_spec.package import write_package
from spm_spec.package_stream import stream_package
from spm_spec.tree import FileEntry, build_tree
from spm_store.errors import TreeDamaged, TreeMissing
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, contents, names

if TYPE_CHECKING:
    from collections.abc import Callable

    from spm_store.trees import StoredTree

ROOT = Path(__file__).parents[2]
TOOLS = (
    FileEntry("SKILL.md", b"---\nname: tools\ndescription: Runs.\n---\n"),
    FileEntry("run", b"def greet():\n    return 'hello'\n", executable=True),
    FileEntry("same", b"def greet():\n    return 'hello'\n"),
    FileEntry("large/data", bytes(range(256)) * 12_000),
)
MEMORY = """
import json, sys
from pathlib import Path
from spm_store.store import Store

with Store.open(Path(sys.argv[2])) as store, open(sys.argv[1], "rb") as file:
    trees = store.import_bundle(file.read, origin="bundle")
    # Not ru_maxrss: that counts what the parent had before this program was started.
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    print(json.dumps([int(status["VmHWM"].split()[0]), str(trees[0].digest)]))
"""


def other(store: Store) -> Store:
    return Store.open(store.root.parent / "other" / "v1")


def filled(store: Store) -> dict[StoredTree, str | None]:
    with store.transaction() as transaction:
        return {
            transaction.add(GREETER, name="greeter"): "1.0.0",
            transaction.add(COUNTER, name="counter"): None,
            transaction.add(TOOLS, name="tools"): "2.1.0-rc.1",
        }


def exported(store: Store, trees: dict[StoredTree, str | None]) -> bytes:
    out = io.BytesIO()
    store.export({tree.digest: version for tree, version in trees.items()}, out.write)
    return out.getvalue()


def test_a_bundle_brings_every_tree_with_its_shelf_and_mode(store: Store) -> None:
    bundle = exported(store, filled(store))

    with other(store) as target:
        trees = target.import_bundle(io.BytesIO(bundle).read, origin="bundle")

        assert [tree.name for tree in trees] == ["counter", "greeter", "tools"]
        assert target.verify() == ()
        tools = trees[2]
        assert (target.root / "shelves" / tools.path.name / "2.1.0-rc.1").samefile(tools.path)
        assert stat.S_IMODE((tools.path / "run").lstat().st_mode) == 0o555
        assert stat.S_IMODE((tools.path / "same").lstat().st_mode) == 0o444
        assert (tools.path / "same").samefile(trees[0].path / "src/skill.py")
        assert names(target.root / "tmp") == names(target.root / "trash") == []


def test_the_same_trees_give_the_same_bytes_from_any_store(store: Store) -> None:
    trees = filled(store)
    bundle = exported(store, trees)

    with other(store) as target:
        found = target.import_bundle(io.BytesIO(bundle).read, origin="bundle")
        versions = {tree.digest: version for tree, version in trees.items()}
        again = exported(target, {tree: versions[tree.digest] for tree in found})

    assert again == bundle


def test_importing_twice_changes_nothing(store: Store) -> None:
    trees = filled(store)
    bundle = exported(store, trees)
    before = contents(store.root / "trees") | contents(store.root / "blobs")

    again = store.import_bundle(io.BytesIO(bundle).read, origin="bundle")

    assert set(again) == set(trees)
    assert contents(store.root / "trees") | contents(store.root / "blobs") == before


def test_importing_replaces_a_damaged_tree(store: Store) -> None:
    trees = filled(store)
    bundle = exported(store, trees)
    for tree in trees:
        for path in tree.path.rglob("*"):
            if path.is_file():
                path.chmod(0o644)
                path.write_bytes(b"harm")

    store.import_bundle(io.BytesIO(bundle).read, origin="bundle")

    assert store.verify() == ()


def test_what_is_not_in_the_store_is_not_exported(store: Store) -> None:
    digest = build_tree(GREETER).digest
    out = io.BytesIO()

    with pytest.raises(TreeMissing):
        store.export({digest: None}, out.write)

    assert out.getvalue() == b""


def test_a_damaged_tree_is_not_exported(store: Store) -> None:
    trees = filled(store)
    tree = next(iter(trees))
    (tree.path / "SKILL.md").chmod(0o644)
    (tree.path / "SKILL.md").write_bytes(b"harm")
    out = io.BytesIO()

    with pytest.raises(TreeDamaged) as caught:
        store.export({tree.digest: None}, out.write)

    assert caught.value.message == (
        f"{tree.path}: the tree is damaged: its bytes or names are not those that were stored"
    )
    assert out.getvalue() == b""


def kept(store: Store) -> dict[str, tuple[str, bytes]]:
    """Return all but the memory that the index's users share."""
    found = contents(store.root)
    return {path: what for path, what in found.items() if not path.startswith("index.sqlite-")}


def cut(bundle: bytes) -> bytes:
    return bundle[: len(bundle) // 2]


def changed(bundle: bytes) -> bytes:
    middle = len(bundle) // 2
    return bundle[:middle] + bytes([bundle[middle] ^ 1]) + bundle[middle + 1 :]


def longer(bundle: bytes) -> bytes:
    return bundle + b"\0"


@pytest.mark.parametrize("harm", [cut, changed, longer])
def test_a_bundle_that_is_refused_leaves_the_store_as_it_was(
    store: Store, harm: Callable[[bytes], bytes]
) -> None:
    bundle = exported(store, filled(store))

    with other(store) as target:
        target.add((FileEntry("SKILL.md", b"mine"),), name="mine")
        before = kept(target)
        with pytest.raises(BundleRefused):
            target.import_bundle(io.BytesIO(harm(bundle)).read, origin="bundle")

        assert kept(target) == before
        assert len(list(target.trees())) == 1


def test_a_package_is_added_as_it_is_read(store: Store) -> None:
    package = write_package(TOOLS)

    tree = store.add(stream_package(io.BytesIO(package), origin="tools.spm"), name="tools")

    assert tree.digest == build_tree(TOOLS).digest
    assert store.verify() == ()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system has no /proc")
def test_importing_a_large_bundle_takes_little_memory(store: Store) -> None:
    files = [FileEntry(f"data/{n}", os.urandom(8_000_000)) for n in range(8)]
    tree = store.add(files, name="large")
    bundle = store.root.parent / "large.spmb"
    with bundle.open("wb") as out:
        store.export({tree.digest: "1.0.0"}, out.write)

    command = [sys.executable, "-c", MEMORY, str(bundle), str(store.root.parent / "other" / "v1")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.stderr == ""
    kibibytes, digest = json.loads(run.stdout)
    assert digest == str(tree.digest)
    assert bundle.stat().st_size > 64_000_000
    assert kibibytes < 128 * 1024
