"""A store that is damaged, foreign, old or new: what a person is told of it.

Every refusal is whole, says what to do next, has its exit code, and changes nothing.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.program import Program, snapshot, write_skill
from tests.support.store_world import World, world_below
from tests.support.stored import contents

if TYPE_CHECKING:
    from pathlib import Path

YEARS = 10 * 365 * 86400


@pytest.fixture
def world(tmp_path: Path) -> World:
    return world_below(tmp_path)


USES_THE_INDEX = [
    ("install", "--force"),
    ("load", "tidy"),
    ("store", "list"),
    ("store", "du"),
    ("store", "verify"),
    ("store", "gc"),
    ("store", "export", "tidy", "-o", "bundle"),
]


@pytest.mark.parametrize(
    ("words", "damage"),
    [
        *((words, "no-database") for words in USES_THE_INDEX),
        *((("load", "tidy"), damage) for damage in ("cut-short", "empty", "torn")),
        *((("store", "verify"), damage) for damage in ("cut-short", "empty", "torn")),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_corrupt_index_is_named_and_nothing_is_lost(
    world: World, words: tuple[str, ...], damage: str
) -> None:
    whole = world.index.read_bytes()
    world.index.write_bytes(
        {
            "no-database": b"no database" * 999,
            "cut-short": whole[:5000],
            "empty": b"",
            "torn": whole[:4096] + b"\xff" * (len(whole) - 4096),
        }[damage]
    )
    for beside in ("-wal", "-shm"):
        world.store.joinpath(f"index.sqlite{beside}").unlink(missing_ok=True)
    before = world.state()

    run = world(*words)

    assert (run.code, run.out) == (5, ""), run.err
    assert run.err.startswith(f"error: {world.index}: ")
    assert "\nhint: " in run.err
    assert "`spm store rebuild`" in run.err.partition("\nhint: ")[2]
    assert world.state() == before


def test_a_corrupt_index_is_rebuilt_from_the_files(world: World) -> None:
    before = world("store", "list").out
    world.index.write_bytes(b"no database" * 999)

    rebuilt = world("store", "rebuild")

    assert rebuilt.code == 0, rebuilt.err
    assert world("store", "list").out == before
    assert world("store", "verify").code == 0
    assert world("load", "tidy").code == 0
    assert world("store", "gc", "--max-age", "0").code == 0
    assert world("store", "list").out == before


NEWER = [*USES_THE_INDEX, ("store", "rebuild"), ("store", "verify", "--repair"), ("store", "info")]


@pytest.mark.parametrize("words", NEWER, ids=" ".join)
def test_a_newer_store_is_refused_by_everything(world: World, words: tuple[str, ...]) -> None:
    world.sql("PRAGMA user_version = 99")
    before = world.state()

    run = world(*words)

    assert (run.code, run.out) == (5, ""), run.err
    assert run.err == (
        f"error: {world.index}: the store has format 99, this spm knows 2\n"
        "hint: use the newer spm that wrote it\n"
    )
    assert world.state() == before


OLD_COLUMNS = "digest, name, size, files, added, directories"
FIRST_FORMAT = """
PRAGMA journal_mode = DELETE;
CREATE TABLE old (
    digest BLOB PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL,
    files INTEGER NOT NULL, added INTEGER NOT NULL, directories BLOB NOT NULL
);
INSERT INTO old SELECT digest, name, size, files, added, directories FROM trees;
DROP TABLE trees;
ALTER TABLE old RENAME TO trees;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""


@pytest.mark.parametrize("words", [("load", "tidy"), ("store", "list"), ("store", "verify")])
def test_an_older_store_is_read_as_it_is(world: World, words: tuple[str, ...]) -> None:
    before = world(*words)
    world.sql(FIRST_FORMAT)
    bytes_before = world.index.read_bytes()

    run = world(*words)

    assert (run.code, run.out) == (0, before.out), run.err
    assert world.index.read_bytes() == bytes_before


def test_an_older_store_is_migrated_when_it_is_written(world: World) -> None:
    write_skill(world.program.root, "other")
    world.sql(FIRST_FORMAT)
    with closing(sqlite3.connect(world.index)) as old:
        rows = old.execute("SELECT * FROM trees").fetchall()

    run = world("add", "path:../other")

    assert run.code == 0, run.err
    assert world("store", "verify").code == 0
    with closing(sqlite3.connect(world.index)) as new:
        assert new.execute("PRAGMA user_version").fetchone() == (2,)
        assert set(rows) <= {
            tuple(row)
            for row in new.execute(
                "SELECT digest, name, size, files, added, directories FROM trees"
            )
        }
    with closing(sqlite3.connect(world.store / "index-1.sqlite")) as backup:
        assert backup.execute("PRAGMA user_version").fetchone() == (1,)
        assert backup.execute("SELECT * FROM trees").fetchall() == rows


def test_missing_blobs_are_found_and_come_back_from_the_trees(world: World) -> None:
    blobs = sorted((world.store / "blobs").rglob("*"))
    files = [path for path in blobs if path.is_file()]
    for path in files:
        path.unlink()

    found = world("store", "verify")
    loaded = world("load", "tidy")
    repaired = world("store", "verify", "--repair")

    assert found.code == 1
    assert sorted(found.out.splitlines()) == sorted(f"{path}: missing-blob" for path in files)
    assert loaded.code == 0, loaded.err
    assert repaired.code == 0, repaired.err
    assert sorted((world.store / "blobs").rglob("*")) == blobs
    assert world("store", "verify").code == 0


def test_a_missing_tree_comes_back_from_its_source(world: World) -> None:
    tree = world.tree
    was = contents(tree)
    for folder in [tree, *(path for path in tree.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
    shutil.rmtree(tree)

    loaded = world("load", "tidy")
    found = world("store", "verify")
    repaired = world("store", "verify", "--repair")

    assert loaded.code != 0
    assert "\nhint: " in loaded.err
    assert (found.code, f"{tree}: missing-tree" in found.out) == (1, True)
    assert repaired.code == 0, repaired.err
    assert contents(tree) == was
    assert world("load", "tidy").code == 0


def test_foreign_files_in_the_store_are_named_and_left_alone(world: World) -> None:
    foreign = [
        world.store / "notes.txt",
        world.store / "trees/mine",
        world.store / "blobs/mine",
        world.store / "blobs/a/mine",
        world.store / "shelves/mine",
        world.store / "sets/mine",
        world.store / "roots/mine",
        world.store / "tmp/mine",
    ]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    before = world.state()

    found = world("store", "verify")
    repaired = world("store", "verify", "--repair")
    collected = world("store", "gc", "--max-age", "0")
    rebuilt = world("store", "rebuild")
    installed = world("install", "--force")

    assert found.code == 1
    for path in foreign:
        assert f"{path}: foreign-entry" in found.out.splitlines()
    assert repaired.code == 1, repaired.err
    assert (collected.code, rebuilt.code, installed.code) == (0, 0, 0), collected.err
    assert {path: path.read_text() for path in foreign} == dict.fromkeys(foreign, "mine")
    left = {name for name, found in world.state().items() if found != before.get(name)}
    assert not {name for name in left if "index" not in name and "roots/" not in name}


@pytest.mark.parametrize("column", ["used", "added"])
def test_times_in_the_future_neither_remove_nor_keep_for_ever(world: World, column: str) -> None:
    """As after the clock was set back: what was used tomorrow counts as used now."""
    write_skill(world.program.root, "other")
    assert world("add", "path:../other").code == 0
    assert world("remove", "other").code == 0
    world.sql(f"UPDATE trees SET {column} = {column} + {YEARS}")  # noqa: S608 - ours
    shutil.rmtree(world.project / ".roundtable")
    assert world("install", "--force").code == 0
    listed = world("store", "list").out

    kept = world("store", "gc")
    after = world("store", "list").out
    collected = world("store", "gc", "--max-age", "0")

    assert kept.code == 0, kept.err
    assert after == listed
    assert collected.code == 0, collected.err
    assert [line.split()[0] for line in world("store", "list").out.splitlines()] == ["tidy"]


@pytest.mark.parametrize("inside", [".spm-data", ".roundtable/skills/.data"])
def test_a_store_inside_a_project_is_refused(tmp_path: Path, inside: str) -> None:
    own = Program.below(tmp_path)
    program = Program(
        tmp_path, dict(own.settings) | {"SPM_DATA": str(tmp_path / "project" / inside)}
    )
    write_skill(tmp_path, "tidy")
    project = program.project(manifest='[skills]\ntidy = { path = "../tidy" }\n')
    before = snapshot(project)

    run = program("install", folder=project)

    assert (run.code, run.out) == (3, "")
    assert run.err == (
        f"error: {project}/{inside}/store/v1: the store is in the way of the project"
        f" `{project}`, one holds the other\n"
        "hint: choose another folder for the store with `SPM_DATA`\n"
    )
    assert snapshot(project) == before
    assert not (project / inside).exists()


def test_a_skill_does_not_swallow_the_store_inside_it(tmp_path: Path) -> None:
    """Else each install would store the store, and never end."""
    own = Program.below(tmp_path)
    skill = write_skill(tmp_path, "tidy")
    program = Program(tmp_path, dict(own.settings) | {"SPM_DATA": str(skill / "data")})
    project = program.project(manifest='[skills]\ntidy = { path = "../tidy" }\n')

    run = program("install", folder=project)

    assert (run.code, run.out) == (3, "")
    assert run.err == (
        f"error: {skill}/data/store/v1: the store is in the way of the skill `{skill}`,"
        " one holds the other\n"
        "hint: choose another folder for the store with `SPM_DATA`\n"
    )
    assert not (project / ".roundtable/skills/tidy").exists()
