"""Generations as a project sees them: install, rollback, status, copies, takeover."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from spm import SkillManager
from spm.installation import StoreInProject, texts_of
from spm.placing import Placing, Target
from spm.rollback import EditedSince, GenerationIncomplete, NoEarlierGeneration, roll_back
from spm.shown import shown_skills
from spm_spec.installed import parse_installed
from spm_store.catalogue import Catalogue
from spm_store.errors import NotOurs
from spm_store.store import Store
from tests.support.dying_disk import DyingDisk, Killed, LinklessDisk
from tests.support.program import Program, snapshot, write_skill
from tests.support.stored import contents

if TYPE_CHECKING:
    from pathlib import Path

    from spm.project import Project
    from spm.synchronous import SynchronousSkillManager

COPY, REFLINK = '[settings]\nlink-mode = "copy"\n', '[settings]\nlink-mode = "reflink"\n'


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program.below(tmp_path)


def manager_of(program: Program, manifest: str = "[skills]\n") -> SkillManager:
    for name in ("alpha", "beta", "gamma"):
        write_skill(
            program.root / "skills", name, files={"scripts/run.sh": "#!/bin/sh\n", "empty": ""}
        )
        (program.root / "skills" / name / "scripts/run.sh").chmod(0o755)
    project = program.project(manifest=manifest)
    return SkillManager(project, environment=program.environment)


@pytest.fixture
def manager(program: Program) -> SkillManager:
    return manager_of(program)


def path_to(name: str) -> str:
    return f"path:../skills/{name}"


def skills_of(manager: SkillManager) -> Path:
    return manager.project.skills_folder


def shown(manager: SkillManager) -> dict[str, str]:
    """Everything an agent can read, by skill."""
    return {
        path.parent.name: path.joinpath("SKILL.md").read_text()
        for path in sorted(skills_of(manager).glob("[!.]*/*"))
    }


def generation(manager: SkillManager) -> str:
    return (skills_of(manager) / ".current").readlink().name


def store_of(program: Program) -> Store:
    return Store.open(program.root / "data/store/v1", durability="none")


def test_every_change_makes_a_generation_and_installing_again_makes_none(
    manager: SkillManager,
) -> None:
    waiting = manager.synchronous
    waiting.install(path_to("alpha"))
    waiting.install(path_to("beta"))
    before = generation(manager)

    again = [waiting.install(), waiting.install(frozen=True), waiting.install(force=True)]

    assert before == generation(manager) == "2"
    assert [report.linked for report in again] == [(), (), ()]
    waiting.uninstall("alpha")
    assert generation(manager) == "3"
    assert sorted(shown(manager)) == ["beta"]


def test_the_store_keeps_every_generation(manager: SkillManager, program: Program) -> None:
    waiting = manager.synchronous
    for name in ("alpha", "beta"):
        waiting.install(path_to(name))

    [root] = store_of(program).roots()

    assert root.place == manager.project.root
    assert sorted(root.generations) == [1, 2]
    (skills_of(manager) / ".current").readlink()
    for path in program.root.glob("data/store/v1/roots/*"):
        path.unlink()
    assert waiting.install().linked == ()
    assert len(store_of(program).roots()) == 1
    assert generation(manager) == "2"


def test_a_folder_with_more_generations_than_are_kept_is_installed_and_pruned(
    manager: SkillManager, program: Program
) -> None:
    """As many as interrupted installs could leave; the store's file has room for 64."""
    waiting, folder = manager.synchronous, skills_of(manager)
    waiting.install(path_to("alpha"))
    for number in range(2, 80):
        shutil.copytree(folder / ".generations/1", folder / f".generations/{number}", symlinks=True)

    waiting.install(path_to("beta"))

    [root] = store_of(program).roots()
    assert generation(manager) == "80"
    assert sorted(root.generations) == list(range(71, 81))
    assert len(list((folder / ".generations").iterdir())) == 10


def test_a_running_tool_keeps_its_tree(manager: SkillManager, program: Program) -> None:
    waiting = manager.synchronous
    waiting.install(path_to("alpha"))
    loaded = waiting.load("alpha")

    with loaded.store.pinned(loaded.tree, "running alpha"):
        reasons = [str(reason) for reason in store_of(program).why(loaded.tree)]
    after = [str(reason) for reason in store_of(program).why(loaded.tree)]

    assert any("running alpha" in reason for reason in reasons)
    assert not any("running alpha" in reason for reason in after)
    assert after


def test_a_link_that_a_person_removed_comes_back_without_a_new_generation(
    manager: SkillManager,
) -> None:
    waiting = manager.synchronous
    waiting.install(path_to("alpha"), path_to("beta"))
    (skills_of(manager) / "alpha").unlink()

    report = waiting.install()

    assert report.linked == ("alpha",)
    assert generation(manager) == "1"
    assert sorted(shown(manager)) == ["alpha", "beta"]


@pytest.mark.parametrize("settings", ["", COPY, REFLINK])
def test_rollback_goes_back_twice_and_an_install_goes_on_with_a_new_number(
    program: Program, settings: str
) -> None:
    manager = manager_of(program, f"{settings}[skills]\n")
    waiting, project = manager.synchronous, manager.project
    views, texts = list[dict[str, str]](), list[dict[str, bytes]]()
    for name in ("alpha", "beta", "gamma"):
        waiting.install(path_to(name))
        views.append(shown(manager))
        texts.append(dict(texts_of(project)))

    first = waiting.rollback()

    assert (first.generation, first.left, first.total) == (2, 3, 2)
    assert [str(change).split()[:2] for change in first.changes] == [["-", "gamma"]]
    assert (shown(manager), texts_of(project)) == (views[1], texts[1])
    assert waiting.install().linked == ()
    assert waiting.status().is_clean
    waiting.rollback()
    assert (shown(manager), texts_of(project)) == (views[0], texts[0])
    with pytest.raises(NoEarlierGeneration) as caught:
        waiting.rollback()
    assert caught.value.message == (
        "there is no earlier generation to go back to: generation 1 is the oldest that is kept"
    )
    waiting.install(path_to("gamma"))
    assert generation(manager) == "4"
    assert sorted(shown(manager)) == ["alpha", "gamma"]


def test_rollback_of_a_project_without_an_install_has_nothing_to_go_back_to(
    manager: SkillManager,
) -> None:
    with pytest.raises(NoEarlierGeneration, match="nothing is installed"):
        manager.synchronous.rollback()


@pytest.mark.parametrize("name", ["skills.toml", "skills.lock"])
def test_rollback_refuses_to_drop_an_edit(manager: SkillManager, name: str) -> None:
    waiting = manager.synchronous
    waiting.install(path_to("alpha"))
    waiting.install(path_to("beta"))
    edited = manager.project.root / name
    edited.write_text(edited.read_text() + "# mine\n")
    before = snapshot(manager.project.root)

    with pytest.raises(EditedSince) as caught:
        waiting.rollback()

    assert caught.value.message == f"`{name}` was edited since generation 2 was installed"
    assert snapshot(manager.project.root) == before
    assert waiting.rollback(force=True).generation == 1
    assert "# mine" not in edited.read_text()


def test_rollback_says_so_when_the_store_lost_a_tree(
    manager: SkillManager, program: Program
) -> None:
    waiting = manager.synchronous
    waiting.install(path_to("alpha"))
    waiting.install(path_to("beta"))
    lock = manager.project.lock()
    assert lock is not None
    store_of(program).remove(next(e.tree for e in lock.entries if e.name == "alpha"))
    before = snapshot(manager.project.root)

    with pytest.raises(GenerationIncomplete) as caught:
        waiting.rollback()

    assert caught.value.message == ("generation 1 needs `alpha` 1.0.0, which is no longer there")
    assert caught.value.hint is not None
    assert "spm install --frozen" in caught.value.hint
    assert snapshot(manager.project.root) == before


@pytest.mark.parametrize(
    "text", [b"", b"\0" * 40, b'[skills]\nbeta = { path = "../skills/beta" }\n']
)
def test_rollback_refuses_a_manifest_that_a_power_cut_tore(
    manager: SkillManager, text: bytes
) -> None:
    waiting = manager.synchronous
    waiting.install(path_to("alpha"))
    waiting.install(path_to("beta"))
    (skills_of(manager) / ".generations/1/skills.toml").write_bytes(text)
    before = snapshot(manager.project.root)

    with pytest.raises(GenerationIncomplete) as caught:
        waiting.rollback()

    assert caught.value.message == (
        "generation 1 needs its `skills.toml` as it was, which is no longer there"
    )
    assert snapshot(manager.project.root) == before


def test_a_rollback_killed_anywhere_is_finished_by_the_same_command(
    manager: SkillManager, program: Program
) -> None:
    waiting = manager.synchronous
    waiting.install(path_to("alpha"))
    old = shown(manager), texts_of(manager.project)
    waiting.install(path_to("beta"))
    new = shown(manager)
    copy, calls = manager, 0
    while True:
        root = program.root / f"copy-{calls}"
        shutil.copytree(manager.project.root, root, symlinks=True)
        copy = SkillManager(root, environment=program.environment)
        dying = Store(store_of(program).root, durability="none", disk=DyingDisk(calls))
        try:
            roll_back(copy.project, dying)
        except Killed:
            pass
        else:
            break
        killed = shown(copy)
        if killed == new:
            copy.synchronous.rollback()

        assert killed in (old[0], new), calls
        assert (shown(copy), texts_of(copy.project)) == old, calls
        assert copy.synchronous.install().linked == ()
        calls += 1

    assert (shown(copy), texts_of(copy.project)) == old
    assert calls > 8


@pytest.mark.parametrize("settings", ["", COPY])
def test_an_install_killed_anywhere_leaves_the_old_or_the_new_and_is_finished(
    program: Program, settings: str
) -> None:
    """The part that needs no network: a lock whose trees are all in the store."""
    manager = manager_of(program, f"{settings}[skills]\n")
    waiting, mode = manager.synchronous, manager.project.manifest().link_mode
    waiting.install(path_to("alpha"), path_to("beta"))
    old = shown(manager)
    shutil.copytree(manager.project.root, program.root / "before", symlinks=True)
    waiting.uninstall("beta")
    waiting.install(path_to("gamma"))
    new, texts = shown(manager), texts_of(manager.project)
    lock = manager.project.lock()
    assert lock is not None
    calls = 0
    while True:
        root = program.root / f"copy-{calls}"
        shutil.copytree(program.root / "before", root, symlinks=True)
        copy = SkillManager(root, environment=program.environment)
        store = Store(store_of(program).root, durability="none", disk=DyingDisk(calls))
        target = Target.of(copy.project)
        try:
            placing = Placing.of(target, lock, mode, store, force=False)
            with store.lease("a test") as lease:
                trees = store.paths_of([entry.tree for entry in lock.entries])
                placing.show(lease, trees, texts, "2026-11-23T10:00:00Z")
        except Killed:
            pass
        else:
            break
        assert shown(copy) in (old, new), calls
        for name, text in texts.items():
            (root / name).write_bytes(text)
        copy.synchronous.install(offline=True)
        assert shown(copy) == new, calls
        assert copy.synchronous.status().is_clean
        assert sorted(path.name for path in skills_of(copy).glob("[!.]*")) == [
            "alpha",
            "gamma",
            "index.json",
        ]
        calls += 1

    assert shown(copy) == new
    assert calls > 10


def test_rollback_passes_by_what_is_the_same(manager: SkillManager) -> None:
    waiting = manager.synchronous
    waiting.install(path_to("alpha"))
    waiting.install(path_to("beta"))
    waiting.rollback()
    waiting.install(path_to("beta"))

    back = waiting.rollback()

    assert (back.left, back.generation) == (3, 1)
    assert sorted(shown(manager)) == ["alpha"]


@pytest.mark.parametrize("settings", [COPY, REFLINK])
def test_copies_are_private_and_installing_does_not_drop_an_edit(
    program: Program, settings: str
) -> None:
    manager = manager_of(program, f"{settings}[skills]\n")
    waiting = manager.synchronous
    waiting.install(path_to("alpha"))
    copy = skills_of(manager) / "alpha" / "1.0.0"
    stored = {path.stat().st_ino for path in program.root.glob("data/store/v1/trees/**/*")}
    copied = [path for path in copy.rglob("*") if path.is_file()]
    modes = {path.name: path.stat().st_mode & 0o777 for path in copied}

    (copy / "SKILL.md").write_text("mine")

    assert stored.isdisjoint(path.stat().st_ino for path in copied)
    assert modes["run.sh"] == 0o755
    assert modes["SKILL.md"] == modes["empty"] == 0o644
    waiting.install(path_to("beta"))
    assert (copy / "SKILL.md").read_text() == "mine"
    with pytest.raises(NotOurs) as caught:
        waiting.uninstall("alpha")
    assert caught.value.message == (
        f"{copy}: a private copy that was changed since it was installed"
    )
    waiting.uninstall("beta")
    assert (copy / "SKILL.md").read_text() == "mine"
    assert waiting.install(force=True).linked == ("alpha",)
    assert (copy / "SKILL.md").read_text() != "mine"
    assert store_of(program).verify() == ()


def test_status_names_every_kind_of_drift(program: Program) -> None:
    manager = manager_of(program, f"{COPY}[skills]\n")
    waiting = manager.synchronous
    waiting.install(path_to("alpha"), path_to("beta"), path_to("gamma"))
    folder = skills_of(manager)
    clean = waiting.status()
    (folder / "alpha/1.0.0/SKILL.md").write_text("mine")
    (folder / "alpha/1.0.0/empty").unlink()
    for number in range(30):
        (folder / f"alpha/1.0.0/new-{number:02}").write_text("mine")
    (folder / "beta").unlink()
    (folder / "beta").symlink_to(program.root)
    (folder / "gamma").unlink()

    status = waiting.status()
    run = program("status", folder=manager.project.root)

    assert clean.is_clean
    assert clean.generation == 1
    assert not status.is_clean
    assert [(skill.name, skill.state) for skill in status.skills] == [
        ("alpha", "changed"),
        ("beta", "replaced"),
        ("gamma", "missing"),
    ]
    assert status.skills[0].drift.missing == ("empty",)
    assert run.code == 1
    assert run.out.splitlines() == [
        "alpha 1.0.0: changed",
        "  changed: SKILL.md",
        *(f"  added: new-{number:02}" for number in range(19)),
        "  and 12 more",
        "beta 1.0.0: replaced",
        "gamma 1.0.0: missing",
    ]


def test_status_compares_manifest_and_lock(manager: SkillManager, program: Program) -> None:
    waiting, project = manager.synchronous, manager.project
    waiting.install(path_to("alpha"))
    text = project.manifest_text()
    project.manifest_path.write_text(text + 'beta = { path = "../skills/beta" }\n')
    waiting.lock()
    project.manifest_path.write_text(text + COPY)

    run = program("status", "--json", folder=project.root)

    assert run.code == 1
    document = run.document
    assert [(each["name"], each["state"]) for each in document["skills"]] == [
        ("alpha", "in-place"),
        ("beta", "missing"),
    ]
    assert "skills are shown by symlink, not by copy" in document["differences"]
    assert len(document["differences"]) == 2


def test_a_project_of_an_older_spm_is_taken_over(manager: SkillManager, program: Program) -> None:
    """Direct links to shelves and a real index, as they were before generations."""
    waiting, project = manager.synchronous, manager.project
    waiting.install(path_to("alpha"), path_to("beta"))
    folder, index = skills_of(manager), (skills_of(manager) / "index.json").read_text()
    shelves = {name: os.path.realpath(folder / name) for name in ("alpha", "beta")}
    for path in [*folder.glob("[!.]*"), folder / ".current"]:
        path.unlink()
    for name, shelf in shelves.items():
        (folder / name).symlink_to(shelf)
    (folder / "index.json").write_text(index)
    (folder / "notes.md").write_text("mine")

    report = waiting.uninstall("beta")

    assert report.unlinked == ("beta",)
    assert sorted(shown(manager)) == ["alpha"]
    assert (folder / "index.json").is_symlink()
    assert (folder / "notes.md").read_text() == "mine"
    assert [each.name for each in parse_installed(project.index_path.read_text(), origin="").skills]


@pytest.mark.parametrize("edited", [False, True])
def test_private_copies_of_an_older_spm_are_taken_over_unless_they_were_edited(
    program: Program, *, edited: bool
) -> None:
    manager = manager_of(program, f"{COPY}[skills]\n")
    waiting, folder = manager.synchronous, skills_of(manager)
    waiting.install(path_to("alpha"), path_to("beta"))
    index = (folder / "index.json").read_text()
    for name in ("alpha", "beta"):
        target = (folder / name).resolve()
        (folder / name).unlink()
        shutil.copytree(target, folder / name)
    for name in (".generations", ".copies"):
        shutil.rmtree(folder / name)
    for name in (".current", "index.json"):
        (folder / name).unlink()
    (folder / "index.json").write_text(index)
    if edited:
        (folder / "beta/1.0.0/SKILL.md").write_text("mine")

    if edited:
        with pytest.raises(NotOurs, match="a private copy that was changed"):
            waiting.uninstall("beta")
        assert (folder / "beta/1.0.0/SKILL.md").read_text() == "mine"
    report = waiting.uninstall("beta", force=edited)

    assert report.unlinked == ("beta",)
    assert sorted(path.name for path in folder.glob("[!.]*")) == ["alpha", "index.json"]
    assert (folder / "alpha").is_symlink()
    assert waiting.status().is_clean


def test_status_tells_another_version_and_what_the_lock_does_not_have(
    manager: SkillManager, program: Program
) -> None:
    waiting, project = manager.synchronous, manager.project
    waiting.install(path_to("alpha"), path_to("beta"))
    write_skill(program.root / "skills", "alpha", version="1.1.0")
    text = project.manifest_text()
    project.manifest_path.write_text(text.replace('beta = { path = "../skills/beta" }\n', ""))
    waiting.lock()

    status = waiting.status()

    assert [(skill.name, skill.state) for skill in status.skills] == [
        ("alpha", "another-version"),
        ("beta", "not-in-lock"),
    ]
    assert list(status.lines()) == [
        "alpha 1.1.0: another version (there is 1.0.0)",
        "beta: not in lock",
    ]


@pytest.mark.parametrize("inside", ["store in project", "project in store"])
def test_a_store_and_a_project_in_one_another_are_refused(program: Program, inside: str) -> None:
    manager = manager_of(program)
    root = manager.project.root
    store = root / "data" if inside == "store in project" else root.parent
    before = snapshot(root)
    if inside == "project in store":
        (store / "store/v1").mkdir(parents=True)
        root = root.rename(store / "store/v1/project")
    settings = program.environment | {"SPM_DATA": str(store)}
    waiting = SkillManager(root, environment=settings).synchronous

    with pytest.raises(StoreInProject) as caught:
        waiting.install()

    assert caught.value.message == (
        f"{store}/store/v1: the store is in the way of the project `{root}`, one holds the other"
    )
    assert caught.value.hint == "choose another folder for the store with `SPM_DATA`"
    assert snapshot(root) == before
    assert not (root / ".roundtable").exists()


def test_a_home_folder_may_be_a_project_though_the_store_has_its_own_place_there(
    program: Program,
) -> None:
    manager_of(program)
    home = (program.root / "project").rename(program.root / "home")
    unset = ("SPM_DATA", "SPM_CACHE")
    settings = {key: text for key, text in program.environment.items() if key not in unset}
    settings["XDG_DATA_HOME"], settings["XDG_CACHE_HOME"] = str(home / "data"), str(home / "cache")
    waiting = SkillManager(home, environment=settings).synchronous

    report = waiting.install(path_to("alpha"))

    assert report.linked == ("alpha",)
    assert (home / "data/spm/store/v1/index.sqlite").is_file()


def place(manager: SkillManager, program: Program, disk: LinklessDisk, *, force: bool) -> None:
    """Show the lock as an install does, on a disk without symlinks below the project."""
    project = manager.project
    lock, store = project.lock(), store_of(program)
    assert lock is not None
    whole = Catalogue(store.root, durability="none")
    with store.lease("test") as lease:
        store.show(shown_skills(lock), lease)  # the store's own file system has symlinks
        linkless = Store(store.root, durability="none", disk=disk)
        placing = Placing.of(Target.of(project), lock, "symlink", linkless, force=force)
        trees = whole.paths_of([entry.tree for entry in lock.entries])
        placing.show(lease, trees, texts_of(project), "2026-11-23T10:00:00Z")


def test_without_symlinks_skills_are_plain_folders_and_rollback_works(
    manager: SkillManager, program: Program
) -> None:
    waiting, folder = manager.synchronous, skills_of(manager)
    project, disk = manager.project, LinklessDisk()
    add_without_installing(waiting, project, "alpha", "beta")
    place(manager, program, disk, force=False)
    first = contents_shown(folder), texts_of(project)
    add_without_installing(waiting, project, "gamma")
    place(manager, program, disk, force=False)

    links = [path for path in folder.rglob("*") if path.is_symlink()]
    roll_back(project, Store(store_of(program).root, durability="none", disk=disk))

    assert links == []
    assert (folder / "alpha/1.0.0/.spm-copy").is_file()
    assert (contents_shown(folder), texts_of(project)) == first
    assert waiting.status().is_clean
    (folder / "alpha/1.0.0/SKILL.md").write_text("mine")
    assert [each.state for each in waiting.status().skills] == ["changed", "in-place"]
    project.manifest_path.write_text("[skills]\n")
    waiting.lock()
    with pytest.raises(NotOurs):
        place(manager, program, disk, force=False)
    place(manager, program, disk, force=True)
    assert sorted(contents_shown(folder)) == ["index.json"]


def add_without_installing(waiting: SynchronousSkillManager, project: Project, *names: str) -> None:
    """Have lock and store, and nothing in the project's folder."""
    other = project.root.parent / "other"
    other.mkdir(exist_ok=True)
    lines = "".join(f'{name} = {{ path = "../skills/{name}" }}\n' for name in names)
    text = project.manifest_text() + lines
    (other / "skills.toml").write_text(text)
    SkillManager(other, environment=waiting_environment(waiting)).synchronous.install()
    project.manifest_path.write_text(text)
    waiting.lock()


def waiting_environment(waiting: SynchronousSkillManager) -> dict[str, str]:
    reach = waiting._manager._reach
    return dict(reach.environment)


def contents_shown(folder: Path) -> dict[str, object]:
    """What is below the visible names, without times."""
    found: dict[str, object] = {}
    for path in sorted(folder.glob("[!.]*")):
        found[path.name] = contents(path) if path.is_dir() else path.read_text()
    return found
