"""Collectors beside each other, and beside installers: real processes, no sleeps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spm_spec.tree import FileEntry, build_tree
from spm_store.store import Store
from tests.support.stored import names

if TYPE_CHECKING:
    from spm_spec.digests import Digest

ROOT = Path(__file__).parents[2]
SKILLS, ROUNDS = 30, 6

COLLECTOR = """
import sys
from pathlib import Path
from spm_store.store import Store

sys.stdin.readline()
with Store.open(Path(sys.argv[1]), durability="none") as store:
    print(sum(len(store.collect(max_age=0).removed) for _ in range(int(sys.argv[2]))))
"""

INSTALLER = """
import sys
from pathlib import Path
from spm_spec.tree import FileEntry
from spm_store.sets import Shown
from spm_store.store import Store

project, rounds = Path(sys.argv[3]), int(sys.argv[2])
sys.stdin.readline()
with Store.open(Path(sys.argv[1]), durability="none") as store:
    for turn in range(rounds):
        with store.lease("installing") as lease:
            shown = []
            for n in range(turn % 3, 30, 3):
                files = [FileEntry("SKILL.md", b"skill %d" % n), FileEntry("shared", b"shared")]
                from spm_spec.tree import build_tree
                digest = build_tree(files).digest
                lease.want([digest])
                if store.get(digest) is None:
                    store.add(files, name=f"skill-{n}")
                shown.append(Shown(f"skill-{n}", "1.0.0", digest))
            made = store.show(shown, lease)
            store.keep(project, {turn: made.digest})
        for skill in shown:
            store.verified(skill.tree)
            assert (made.path / skill.name / "1.0.0" / "SKILL.md").is_file(), skill
"""


def files_of(number: int) -> list[FileEntry]:
    return [FileEntry("SKILL.md", b"skill %d" % number), FileEntry("shared", b"shared")]


def filled(store: Store) -> list[Digest]:
    with store.transaction() as transaction:
        return [
            transaction.add(files_of(number), name=f"skill-{number}").digest
            for number in range(SKILLS)
        ]


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(running: list[subprocess.Popen[str]]) -> list[str]:
    """Let all go together; return what they said."""
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate() for process in running]
    assert [(process.returncode, text[1]) for process, text in zip(running, said, strict=True)] == [
        (0, "")
    ] * len(running)
    return [text[0].strip() for text in said]


def test_two_collectors_remove_each_tree_once(store: Store) -> None:
    digests = filled(store)

    counts = ended([start(COLLECTOR, store.root, 1) for _ in range(2)])

    assert sum(map(int, counts)) == len(digests)
    assert list(store.trees()) == []
    assert [names(store.root / kind) for kind in ("trees", "trash", "tmp")] == [[]] * 3
    assert list((store.root / "blobs").glob("*/*")) == []


def test_collectors_take_nothing_from_those_who_install(store: Store, tmp_path: Path) -> None:
    filled(store)
    projects = [tmp_path / f"project-{number}" for number in range(2)]
    for project in projects:
        project.mkdir()

    ended(
        [start(INSTALLER, store.root, ROUNDS, project) for project in projects]
        + [start(COLLECTOR, store.root, 2 * ROUNDS) for _ in range(2)]
    )

    assert store.verify() == ()
    for root in store.roots():
        assert len(root.generations) == 1
    store.collect(max_age=0)
    last = {build_tree(files_of(n)).digest for n in range((ROUNDS - 1) % 3, SKILLS, 3)}
    assert {tree.digest for tree in store.trees()} == last
    assert store.verify() == ()
    assert store.leftovers() == ()
    assert names(store.root / "trash") == []


OTHER_USER = """
import os, sys
from pathlib import Path
from spm_store.store import Store

root = Path(sys.argv[1])
with Store.open(root, durability="none") as store:
    store.collect(dry_run=True)  # imports what that user may not read
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
os.umask(0o002)
with Store.open(root, durability="none") as store:
    report = store.collect(max_age=0)
    print([tree.name for tree in report.removed], [path.name for path in report.others])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_what_another_user_made_is_left_whole_and_named(tmp_path: Path) -> None:
    nobody = 65534
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)
    root = tmp_path / "store" / "v1"
    root.mkdir(parents=True)
    os.chown(root, -1, nobody)
    root.chmod(0o2775)
    with Store.open(root, durability="none") as store:
        tree = store.add(files_of(1), name="skill-1")

        said = ended_one(start(OTHER_USER, root, nobody))

        assert said == f"[] ['{tree.path.name}']"
        store.verified(tree.digest)
        assert store.verify() == ()


def ended_one(process: subprocess.Popen[str]) -> str:
    text, complaint = process.communicate()
    assert (process.returncode, complaint) == (0, "")
    return text.strip()
