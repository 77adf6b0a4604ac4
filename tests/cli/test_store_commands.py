"""What the commands for the store say and do, as a person runs them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from spm_store.durable import Disk, remove_tree
from spm_store.store import Store
from tests.support.program import Program, snapshot, write_skill
from tests.support.stored import COUNTER, GREETER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from spm_spec.tree import FileEntry

MONTHS_AGO = 10_000_000


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program.below(tmp_path)


@pytest.fixture
def project(program: Program) -> Path:
    """A project with one skill of a folder installed."""
    write_skill(program.root, "alpha", files={"notes.md": "notes\n", "more/notes.md": "notes\n"})
    folder = program.project(manifest="[skills]\n")
    assert program("add", "path:../alpha", folder=folder).code == 0
    return folder


def store_of(program: Program) -> Store:
    return Store.open(program.root / "data" / "store" / "v1", durability="none")


def orphan(program: Program) -> str:
    """A tree in the store that nothing needs, and that nothing has needed for long."""
    with store_of(program) as store:
        digest = store.add(COUNTER, name="counter").digest
        long_ago = int(store.now()) - MONTHS_AGO
        store.index.mark_used([digest.raw], long_ago, store.disk)
    return str(digest)


def digest_of(program: Program, name: str) -> str:
    trees = program("store", "list", "--json").document
    return next(str(tree["tree"]) for tree in trees if tree["name"] == name)


def test_info_tells_where_the_store_is_and_what_sharing_saves(
    program: Program, project: Path
) -> None:
    told = program("store", "info", "--json").document
    words = program("store", "info").out

    assert told["path"] == str(program.root / "data" / "store" / "v1")
    assert (told["trees"], told["projects"], told["profiles"]) == (1, 1, 0)
    assert told["bytesSaved"] == len("notes\n")
    assert (told["durability"], told["lower"]) == ("none", [])
    assert f"saved by sharing  {told['bytesSaved']} bytes" in words


def test_info_of_a_store_that_is_not_there_is_of_an_empty_one(program: Program) -> None:
    told = program("store", "info", "--json").document

    assert (told["trees"], told["blobs"], told["bytes"]) == (0, 0, 0)
    assert not (program.root / "data").exists()


def test_du_shows_what_removing_a_tree_would_give_back(program: Program, project: Path) -> None:
    with store_of(program) as store:
        store.add(GREETER, name="greeter")
        store.add(COUNTER, name="counter")

    told = program("store", "du", "--json").document

    sizes = {tree["name"]: (tree["bytes"], tree["ownBytes"]) for tree in told["trees"]}
    shared = len(b"def greet():\n    return 'hello'\n")
    assert sizes["counter"][0] - sizes["counter"][1] == shared
    assert sizes["greeter"][0] - sizes["greeter"][1] == shared
    assert told["bytesSaved"] == shared + len("notes\n")


def test_gc_says_what_it_would_remove_and_removes_it_only_then(
    program: Program, project: Path
) -> None:
    digest = orphan(program)

    foreseen = program("store", "gc", "--dry-run")
    still = program("store", "list").out
    done = program("store", "gc")

    assert foreseen.out == done.out == f"counter  {digest}  {_size(COUNTER)} bytes\n"
    assert foreseen.err.startswith("would remove 1 tree and ")
    assert done.err.startswith("removed 1 tree and ")
    assert "counter" in still
    assert "counter" not in program("store", "list").out
    assert program("store", "verify").code == 0
    assert program("status", folder=project).code == 0


def _size(files: Iterable[FileEntry]) -> int:
    return sum(len(entry.data) for entry in files)


def test_gc_keeps_what_was_needed_lately_and_says_until_when(
    program: Program, project: Path
) -> None:
    with store_of(program) as store:
        store.add(COUNTER, name="counter")

    kept = program("store", "gc")
    removed = program("store", "gc", "--max-age", "0", "--json").document

    assert kept.out == ""
    assert "1 tree that nobody needs kept for a while, the first until 20" in kept.err
    assert "`--max-age 0` removes them now" in kept.err
    assert [tree["name"] for tree in removed["removed"]] == ["counter"]
    assert removed["needed"] == 1


def test_gc_stops_where_the_store_is_small_enough(program: Program, project: Path) -> None:
    orphan(program)

    run = program("store", "gc", "--keep-bytes", "1GiB", "--json")

    assert run.document["removed"] == []


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--max-age", "soon", "--max-age: `soon` is no span of time"),
        ("--keep-bytes", "little", "--keep-bytes: `little` is no size"),
    ],
)
def test_gc_refuses_what_is_no_span_or_size(
    program: Program, option: str, value: str, message: str
) -> None:
    run = program("store", "gc", option, value)

    assert (run.code, run.err.splitlines()[0]) == (3, f"error: {message}")


def test_a_deleted_project_is_noticed_and_keeps_nothing(program: Program, project: Path) -> None:
    shutil.rmtree(project)

    run = program("store", "gc", "--max-age", "0")

    first, second = run.err.splitlines()[:2]
    assert first == f"`{project}` is gone; what it kept is kept for its age alone"
    assert second.startswith("removed ")
    assert program("store", "info", "--json").document["projects"] == 0


def test_a_store_that_was_lost_is_filled_again_and_collected_as_before(
    program: Program, project: Path
) -> None:
    write_skill(program.root, "beta")
    assert program("add", "path:../beta", folder=project).code == 0
    remove_tree(Disk(), str(program.root / "data"))

    installed = program("install", folder=project)
    collected = program("store", "gc", "--max-age", "0", "--json")

    assert installed.err == "installed 2 skills (2 downloaded, 0 from the store)\n"
    assert (collected.code, collected.document["needed"]) == (0, 2)


def test_a_set_that_was_lost_stops_collections_until_its_project_is_installed_again(
    program: Program, project: Path
) -> None:
    sets = program.root / "data" / "store" / "v1" / "sets"
    [lost] = sets.iterdir()
    lost.chmod(0o755)
    shutil.rmtree(lost)

    refused = program("store", "gc", "--max-age", "0")
    again = program("install", "--force", folder=project)
    collected = program("store", "gc", "--max-age", "0")

    assert (refused.code, refused.err.splitlines()) == (
        5,
        [
            f"error: {lost}: the set cannot be read: no such file or directory",
            f"hint: `spm install --force` in `{project}` makes it again, or drops it",
        ],
    )
    assert again.code == collected.code == 0
    assert (project / ".roundtable/skills/alpha/1.0.0/SKILL.md").is_file()


def test_why_names_the_project_that_keeps_a_tree(program: Program, project: Path) -> None:
    digest = digest_of(program, "alpha")

    by_path = program("store", "why", ".roundtable/skills/alpha", folder=project)
    by_digest = program("store", "why", digest, "--json").document

    assert by_path.out.splitlines() == [
        f"project `{project}`: generation 1, the current one, shows it as `alpha` 1.0.0",
        f"`{project}/skills.lock` names it",
    ]
    assert [(reason["kind"], reason["current"]) for reason in by_digest] == [
        ("generation", True),
        ("lock", False),
    ]


def test_why_of_garbage_is_answered_with_no(program: Program, project: Path) -> None:
    run = program("store", "why", orphan(program))

    assert (run.code, run.out) == (1, "")
    assert run.err == "nobody needs it; `spm store gc` removes it\n"


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("blake3:12", "'blake3:12' is not a digest"),
        ("nowhere", "nowhere: nothing is there"),
        ("skills.toml", "this leads to no tree of the store"),
    ],
)
def test_why_refuses_what_is_no_tree(
    program: Program, project: Path, what: str, message: str
) -> None:
    run = program("store", "why", what, folder=project)

    assert run.code == 3
    assert message in run.err.splitlines()[0]


def damage(program: Program, name: str) -> Path:
    with store_of(program) as store:
        path = next(tree.path for tree in store.trees() if tree.name == name) / "SKILL.md"
    path.chmod(0o644)
    path.write_text("harm\n")
    path.chmod(0o444)
    return path


def test_verify_names_what_is_damaged_and_repairs_it_from_the_locks_source(
    program: Program, project: Path
) -> None:
    whole = (program.root / "alpha" / "SKILL.md").read_bytes()
    path = damage(program, "alpha")

    found = program("store", "verify")
    repaired = program("store", "verify", "--repair")
    after = program("store", "verify", "--jobs", "2")

    assert found.code == 1
    assert f"{path}: wrong-bytes" in found.out.splitlines()
    assert (repaired.code, repaired.out) == (0, "")
    assert repaired.err.endswith(" repaired\n")
    assert (after.code, after.err) == (0, "everything is as it was stored\n")
    assert path.read_bytes() == whole


def test_what_no_lock_can_bring_back_is_named_and_stays_damaged(program: Program) -> None:
    with store_of(program) as store:
        digest = store.add(COUNTER, name="counter").digest
    damage(program, "counter")

    run = program("store", "verify", "--repair", "--json")

    assert run.code == 1
    assert {item["kind"] for item in run.document} == {"wrong-bytes"}
    assert run.err.splitlines()[0] == (
        f"warning: {digest} is in no lock of this machine's projects that can be fetched now"
    )


def test_rebuild_makes_the_index_again(program: Program, project: Path) -> None:
    index = program.root / "data" / "store" / "v1" / "index.sqlite"
    index.write_bytes(b"harm" * 4096)
    for more in ("-wal", "-shm"):
        index.with_name(index.name + more).unlink(missing_ok=True)

    broken = program("store", "list")
    rebuilt = program("store", "rebuild")

    assert broken.code == 5
    assert "`spm store rebuild`" in broken.err
    assert (rebuilt.code, rebuilt.err) == (0, "the index lists 1 tree\n")
    assert "alpha" in program("store", "list").out
    assert program("status", folder=project).code == 0


def test_a_lock_travels_to_a_machine_without_a_network(
    program: Program, project: Path, tmp_path: Path
) -> None:
    other = Program.below(tmp_path / "other")
    (tmp_path / "other").mkdir()

    exported = program("store", "export", "--lock", "skills.lock", "-o", "x.spmb", folder=project)
    again = program("store", "export", "alpha", "-o", "y.spmb", folder=project)
    imported = other("store", "import", str(project / "x.spmb"), "--json")

    assert exported.err == "wrote 1 tree to `x.spmb`\n"
    assert again.code == 0
    assert imported.document == [{"name": "alpha", "tree": digest_of(program, "alpha")}]
    assert other("store", "verify").code == 0


def test_equal_exports_are_equal_bytes(program: Program, project: Path) -> None:
    for name in ("x.spmb", "y.spmb"):
        assert program("store", "export", "alpha", "-o", name, folder=project).code == 0

    assert (project / "x.spmb").read_bytes() == (project / "y.spmb").read_bytes()


def test_a_package_is_imported_under_its_own_name(program: Program) -> None:
    write_skill(program.root, "beta", version="2.1.0")
    packed = program("pack", "beta", "--json").document

    run = program("store", "import", "beta-2.1.0.spm", "--json")

    assert run.document == [{"name": "beta", "tree": packed["tree"]}]


@pytest.mark.parametrize(
    ("name", "data", "code", "message"),
    [
        ("x.spmb", b"spm", 6, "x.spmb: the file is neither tar.zst, tar.gz nor zip"),
        ("gone", None, 5, "gone: no such file or directory"),
    ],
)
def test_what_is_no_bundle_is_refused_and_changes_nothing(
    program: Program, project: Path, name: str, data: bytes | None, code: int, message: str
) -> None:
    if data is not None:
        (program.root / name).write_bytes(data)
    before = snapshot(program.root)

    run = program("store", "import", name)

    assert (run.code, run.err.splitlines()[0]) == (code, f"error: {message}")
    assert snapshot(program.root) == before


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ([], "nothing to export", "name skills, or pass --lock skills.lock"),
        (["nobody"], "the store has no tree `nobody`", "`spm store list` shows what it has"),
    ],
)
def test_an_export_of_nothing_is_refused(
    program: Program, project: Path, words: list[str], message: str, hint: str
) -> None:
    run = program("store", "export", *words, "-o", "x.spmb", "--json", folder=project)

    error = json.loads(run.err)["error"]
    assert (run.code, error["message"], error["hint"]) == (3, message, hint)
    names = sorted(path.name for path in project.iterdir())
    assert names == [".roundtable", "skills.lock", "skills.toml"]


def test_an_export_of_a_lock_that_is_not_installed_names_what_is_missing(
    program: Program, project: Path
) -> None:
    with store_of(program) as store:
        store.clear()

    run = program("store", "export", "--lock", "skills.lock", "-o", "x.spmb", folder=project)

    assert (run.code, run.err.splitlines()) == (
        3,
        [
            "error: the store has no `alpha` 1.0.0, which `skills.lock` pins",
            "hint: run `spm install` with that lock first",
        ],
    )


def test_lower_stores_are_used_without_copying(program: Program, project: Path) -> None:
    lower = program.root / "data" / "store" / "v1"
    upper = program.root / "upper"
    layers = f"{upper}:{lower}"
    before = snapshot(lower)
    second = program.project("second", manifest='[skills]\nalpha = { path = "../alpha" }\n')

    installed = program("install", folder=second, SPM_STORE_PATH=layers)
    told = program("store", "info", "--json", SPM_STORE_PATH=layers).document

    assert installed.err.endswith("installed 1 skill (0 downloaded, 1 from the store)\n")
    skill = (second / ".roundtable/skills/alpha/1.0.0").resolve()
    assert skill.parent == lower / "trees"
    assert (told["path"], told["lower"]) == (str(upper), [str(lower)])
    assert told["blobs"] == 0
    assert snapshot(lower) == before


def test_a_relative_store_path_is_refused(program: Program, project: Path) -> None:
    run = program("store", "info", SPM_STORE_PATH="here:/there")

    assert (run.code, run.err.splitlines()[0]) == (
        3,
        "error: SPM_STORE_PATH: `here` is not an absolute path",
    )


def test_a_nearly_full_disk_is_cleared_of_garbage_after_an_install(
    program: Program, project: Path
) -> None:
    orphan(program)
    write_skill(program.root, "beta")

    offline = program("add", "path:../beta", "--offline", folder=project, SPM_MIN_FREE="1000GB")
    kept = program("store", "list").out
    write_skill(program.root, "gamma")
    online = program("add", "path:../gamma", folder=project, SPM_MIN_FREE="1000GB")

    assert "counter" in kept
    assert "nearly full" not in offline.err
    freed = f"warning: the disk is nearly full; {_size(COUNTER)} bytes of garbage was removed"
    assert freed in online.err.splitlines()
    assert "counter" not in program("store", "list").out


def test_garbage_stays_where_nobody_wants_it_collected(program: Program, project: Path) -> None:
    orphan(program)
    write_skill(program.root, "beta")

    run = program("add", "path:../beta", folder=project, SPM_MIN_FREE="0")

    assert run.code == 0
    assert "counter" in program("store", "list").out
