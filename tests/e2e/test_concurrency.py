"""Several spm at once: in one project, and in many projects that share one store."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from spm import SkillManager
from spm_store.store import Store
from tests.support.projects import ended, manifest_of, started
from tests.support.registry_server import RunningRegistry, running_registry
from tests.support.skill_archives import skill_archive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.program import Program

NAMES = [f"skill-{number}" for number in range(8)]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """One registry for all tests of this module; none of them publishes."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        for name in NAMES:
            extra = {f"references/{page}.md": f"page {page}\n".encode() * 99 for page in range(5)}
            running.publish(skill_archive(name, extra=extra))
        yield running


def test_two_installs_of_one_project_both_succeed_and_one_does_the_work(
    program: Program, registry: RunningRegistry
) -> None:
    project = program.project(manifest=manifest_of(registry.url, *NAMES))

    processes = [started(program, "install", "--json", folder=project) for _ in range(2)]
    runs = [ended(process) for process in processes]

    assert [run.code for run in runs] == [0, 0], [run.err for run in runs]
    assert sorted(run.document["downloaded"] for run in runs) == [0, len(NAMES)]
    assert sorted(len(run.document["linked"]) for run in runs) == [0, len(NAMES)]
    for name in NAMES:
        assert (project / f".roundtable/skills/{name}/1.0.0/SKILL.md").is_file()


def test_two_adds_to_one_project_are_both_kept(program: Program, registry: RunningRegistry) -> None:
    project = program.project(manifest=manifest_of(registry.url))

    processes = [started(program, "add", name, folder=project) for name in NAMES[:2]]
    runs = [ended(process) for process in processes]

    assert [run.code for run in runs] == [0, 0], [run.err for run in runs]
    listed = program("list", "--json", folder=project).document
    assert [skill["name"] for skill in listed] == NAMES[:2]
    text = (project / "skills.toml").read_text()
    assert all(f"{name} = " in text for name in NAMES[:2])


def test_six_projects_install_into_one_store_at_once(
    program: Program, registry: RunningRegistry
) -> None:
    wanted = [NAMES[first : first + 4] for first in (0, 1, 2, 3, 4, 0)]
    projects = [
        program.project(f"project-{number}", manifest_of(registry.url, *names))
        for number, names in enumerate(wanted)
    ]

    processes = [started(program, "install", folder=project) for project in projects]
    runs = [ended(process) for process in processes]

    assert [run.code for run in runs] == [0] * 6, [run.err for run in runs]
    for project, names in zip(projects, wanted, strict=True):
        index = json.loads((project / ".roundtable/skills/index.json").read_text())
        assert [skill["name"] for skill in index["installedSkills"]] == names
        for name in names:
            assert (project / f".roundtable/skills/{name}/1.0.0/references/4.md").is_file()
    store = Store.open(program.root / "data/store/v1")
    assert store.verify() == ()
    assert store.leftovers() == ()
    assert store.size().trees == len(NAMES)
    assert not list((program.root / "data/store/v1/tmp").iterdir())


def test_a_store_is_verified_while_skills_are_installed_into_it(
    program: Program, registry: RunningRegistry
) -> None:
    first = program.project("first", manifest_of(registry.url, *NAMES[:4]))
    assert program("install", folder=first).code == 0
    second = program.project("second", manifest_of(registry.url, *NAMES[4:]))

    installing = started(program, "install", folder=second)
    verifying = [started(program, "store", "verify", folder=first) for _ in range(2)]
    runs = [ended(process) for process in (installing, *verifying)]

    assert [run.code for run in runs] == [0, 0, 0], [run.err for run in runs]


def test_two_changes_in_one_event_loop_take_turns(
    program: Program, registry: RunningRegistry
) -> None:
    project = program.project(manifest=manifest_of(registry.url))

    async def both() -> None:
        managers = [SkillManager(project, environment=program.environment) for _ in range(2)]
        await asyncio.gather(
            *(manager.install(name) for manager, name in zip(managers, NAMES, strict=False))
        )

    asyncio.run(both())

    installed = SkillManager(project, environment=program.environment).synchronous.list()
    assert [skill.name for skill in installed] == NAMES[:2]
