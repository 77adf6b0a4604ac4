"""Any number of processes may add at once; each succeeds and nothing is kept twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from spm_spec.digests import blob_digest
from tests.support.stored import names

if TYPE_CHECKING:
    from spm_store.store import Store

ROOT = Path(__file__).parents[2]
PROCESSES = 8
ADDER = """
import sys
from pathlib import Path
from spm_spec.tree import FileEntry
from spm_store.store import Store

number = int(sys.argv[2])
shared = [FileEntry(f"shared/{n}", b"shared %d" % n) for n in range(12)]
sys.stdin.readline()
with Store.open(Path(sys.argv[1]), durability="none") as store:
    same = store.add([FileEntry("SKILL.md", b"same"), *shared], name="same")
    with store.transaction() as transaction:
        for n in range(12):
            files = [FileEntry("SKILL.md", b"skill %d" % ((n + number) % 12)), *shared]
            transaction.add(files, name="overlapping")
    own = store.add([FileEntry("SKILL.md", b"own %d" % number), *shared], name="own")
    for tree in store.trees():
        store.verified(tree.digest)
"""


def run_at_once(root: Path, script: str) -> list[tuple[int, str]]:
    """Start the processes, let them go together, and return their ends."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(root), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [process.communicate()[1] for process in running]
    return [(process.returncode, text) for process, text in zip(running, ends, strict=True)]


def test_eight_processes_add_the_same_and_overlapping_trees(store: Store) -> None:
    ends = run_at_once(store.root, ADDER)

    assert ends == [(0, "")] * PROCESSES
    assert len(list(store.trees())) == 1 + 12 + PROCESSES
    assert store.verify() == ()
    assert store.leftovers() == ()
    assert store.size().blobs == 12 + 1 + 12 + PROCESSES
    assert names(store.root / "tmp") == names(store.root / "trash") == []


def test_what_eight_processes_added_is_shared_by_all_their_trees(store: Store) -> None:
    run_at_once(store.root, ADDER)

    digits = blob_digest(b"shared 3").hex
    blob = store.root / "blobs" / digits[0] / digits
    assert blob.lstat().st_nlink == 1 + len(list(store.trees()))


REMOVER = """
import sys
from pathlib import Path
from spm_spec.tree import FileEntry
from spm_store.store import Store

number = int(sys.argv[2])
sys.stdin.readline()
with Store.open(Path(sys.argv[1]), durability="none") as store:
    for n in range(6):
        files = [FileEntry("SKILL.md", b"skill %d" % n), FileEntry("shared", b"shared")]
        tree = store.add(files, name="come-and-go")
        if (n + number) % 3 == 0:
            store.remove(tree.digest)
        if number == 5 and n == 3:
            store.clear()
"""


def test_removing_beside_adding_never_leaves_a_valid_tree_broken(store: Store) -> None:
    ends = run_at_once(store.root, REMOVER)

    assert ends == [(0, "")] * PROCESSES
    assert store.verify() == ()
