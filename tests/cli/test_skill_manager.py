"""`SkillManager` in a program that embeds it: every method, waiting and not."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from spm import SkillManager
from spm.installation import LockOutOfDate
from spm.listing import NotInstalled
from spm.manager import UnknownSkill
from spm.project import NoProject
from spm_spec.errors import UserMistake
from spm_store.errors import TreeDamaged
from tests.support.program import Program, snapshot, write_skill
from tests.support.projects import manifest_of
from tests.support.registry_server import RunningRegistry, running_registry
from tests.support.sandbox_host import require_sandbox
from tests.support.skill_archives import skill_archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spm.loaded import LoadedSkill

TOOLS = """\
permissions:
  environment: [GREETING, SECRET]
tools:
  - name: count
    description: Counts the words of a text.
    entry: src/skill.py:count
    input:
      type: object
      properties:
        text: {type: string}
        deep: {type: boolean}
      required: [text]
      additionalProperties: false
"""
PYTHON = """\
import os


def count(text, deep=False):
    if not text:
        raise ValueError("there is no text")
    seen = sorted(name for name in ("GREETING", "SECRET") if name in os.environ)
    return {"words": len(text.split()), "deep": deep, "seen": seen}
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A registry with two versions of `alpha`, and `beta` that needs it."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        running.publish(skill_archive("alpha", "1.0.0", tags=["text"]))
        running.publish(skill_archive("alpha", "1.1.0", tags=["text"]))
        running.publish(skill_archive("beta", dependencies={"alpha": "^1.0"}, tags=["data"]))
        yield running


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program.below(tmp_path)


@pytest.fixture
def manager(program: Program, registry: RunningRegistry) -> SkillManager:
    """A manager of a project that asks for nothing yet."""
    project = program.project(manifest=manifest_of(registry.url))
    return SkillManager(project, token=registry.token, environment=program.environment)


async def tell_the_story_of(manager: SkillManager, folder: Path) -> None:
    """Every method, as a program with an event loop uses them."""
    page = await manager.search("alpha", tags=["text"], limit=5, offset=0, sort="name")
    assert [skill.name for skill in page.skills] == ["alpha"]
    assert await manager.get_tags() == [("data", 1), ("text", 1)]
    assert str((await manager.get_skill("alpha")).version) == "1.1.0"
    assert str((await manager.get_skill("alpha", version="1.0.0")).version) == "1.0.0"

    report = await manager.install("beta", force=False, offline=False)
    assert (report.total, sorted(report.linked), report.downloaded) == (2, ["alpha", "beta"], 2)
    assert [skill.name for skill in await manager.list()] == ["alpha", "beta"]
    installed = await manager.get_installed("alpha")
    assert installed is not None
    assert installed.version == "1.1.0"
    assert await manager.get_installed("gamma") is None
    assert await manager.lock() == ()
    assert (await manager.install(frozen=True)).linked == ()

    assert (await manager.load("beta")).instructions.strip() == "Do it."
    assert sorted(await manager.load_all()) == ["alpha", "beta"]
    published = await manager.publish(folder)
    assert (published["name"], published["version"]) == ("gamma", "1.0.0")

    again = await manager.install("alpha", version="1.0.0")
    assert [str(change) for change in again.changes] == ["~ alpha 1.1.0 -> 1.0.0"]
    assert (await manager.update()).changes == ()
    report = await manager.uninstall("alpha", "beta")
    assert sorted(report.unlinked) == ["alpha", "beta"]
    assert await manager.list() == ()

    size = await manager.get_cache_size()
    assert size > 0
    assert await manager.clear_cache() == size
    assert await manager.get_cache_size() == 0


def test_every_method_works_in_an_event_loop(program: Program, tmp_path: Path) -> None:
    with running_registry(tmp_path / "own") as registry:
        registry.publish(skill_archive("alpha", "1.0.0", tags=["text"]))
        registry.publish(skill_archive("alpha", "1.1.0", tags=["text"]))
        registry.publish(skill_archive("beta", dependencies={"alpha": "^1.0"}, tags=["data"]))
        project = program.project(manifest=manifest_of(registry.url))
        manager = SkillManager(project, token=registry.token, environment=program.environment)

        asyncio.run(tell_the_story_of(manager, write_skill(tmp_path, "gamma")))


def test_every_method_has_its_synchronous_face(manager: SkillManager) -> None:
    waiting = manager.synchronous

    assert [skill.name for skill in waiting.search("alpha").skills] == ["alpha"]
    assert ("text", 1) in waiting.get_tags()
    assert waiting.get_skill("beta").name == "beta"
    assert waiting.install("alpha@^1.0").downloaded == 1
    assert [skill.name for skill in waiting.list()] == ["alpha"]
    assert waiting.get_installed("alpha") is not None
    assert waiting.lock() == ()
    assert waiting.load("alpha").name == "alpha"
    assert list(waiting.load_all()) == ["alpha"]
    assert waiting.update("alpha").changes == ()
    assert waiting.update(offline=True).changes == ()
    assert waiting.uninstall("alpha").unlinked == ("alpha",)
    assert waiting.get_cache_size() == waiting.clear_cache() > 0
    public = {name for name in dir(manager) if not name.startswith("_")}
    assert public - {name for name in dir(waiting) if not name.startswith("_")} == {
        "project",
        "synchronous",
    }


def test_an_embedding_program_gets_typed_errors_and_an_unchanged_project(
    manager: SkillManager,
) -> None:
    waiting, folder = manager.synchronous, manager.project.root
    before = snapshot(folder)

    with pytest.raises(UnknownSkill, match="has no skill `nowhere`"):
        waiting.get_skill("nowhere")
    with pytest.raises(UnknownSkill, match=r"has no skill `alpha` 9\.0\.0"):
        waiting.get_skill("alpha", version="9.0.0")
    with pytest.raises(NotInstalled):
        waiting.uninstall("alpha")
    with pytest.raises(NotInstalled):
        waiting.load("alpha")
    with pytest.raises(LockOutOfDate, match=r"there is no skills\.lock"):
        waiting.install(frozen=True)
    with pytest.raises(UserMistake, match="a frozen install adds nothing"):
        waiting.install("alpha", frozen=True)
    with pytest.raises(UserMistake, match="goes with exactly one skill"):
        waiting.install("alpha", "beta", version="^1")

    assert snapshot(folder) == before


def test_a_manager_outside_of_any_project_says_so(program: Program) -> None:
    manager = SkillManager(program.root, environment=program.environment)

    with pytest.raises(NoProject, match=r"no `skills\.toml` in"):
        manager.synchronous.list()


def test_load_refuses_a_changed_byte_and_load_all_goes_on_without_it(
    manager: SkillManager, program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = manager.synchronous
    waiting.install("beta")
    damaged = (manager.project.skill_path("alpha", "1.1.0") / "SKILL.md").resolve()
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes().replace(b"Do it.", b"Do !t."))

    with pytest.raises(TreeDamaged, match="the tree is damaged") as refusal:
        waiting.load("alpha")
    with caplog.at_level(logging.WARNING, logger="spm"):
        loaded = waiting.load_all()
    run = program("load", "alpha", "--json", folder=manager.project.root)

    assert refusal.value.exit_code == 6
    assert list(loaded) == ["beta"]
    [record] = caplog.records
    assert record.getMessage().startswith("skill alpha does not load: ")
    assert run.code == 6
    assert json.loads(run.err)["error"]["hint"] == "`spm install --force` stores it again"
    waiting.install(force=True)
    assert waiting.load("alpha").instructions.strip() == "Do it."


@pytest.fixture
def counter(program: Program, monkeypatch: pytest.MonkeyPatch) -> LoadedSkill:
    """A skill with a tool; the project grants one of the rights that it asks for."""
    monkeypatch.setenv("GREETING", "hello")
    monkeypatch.setenv("SECRET", "hidden")
    write_skill(program.root, "words", yaml=TOOLS, files={"src/skill.py": PYTHON})
    project = program.project(
        manifest='[skills]\nwords = { path = "../words" }\n'
        '[grants.words]\nenvironment = ["GREETING", "UNASKED"]\n'
    )
    waiting = SkillManager(project, environment=program.environment).synchronous
    report = waiting.install()
    assert "SECRET" in " ".join(report.warnings)
    return waiting.load("words")


def test_the_sandbox_gets_what_is_both_asked_and_granted(counter: LoadedSkill) -> None:
    assert counter.granted.environment == ("GREETING",)
    denied = " ".join(counter.denied)
    assert "SECRET" in denied
    assert "GREETING" not in denied
    assert "UNASKED" not in denied


def _message(framework: str, arguments: dict[str, Any]) -> dict[str, Any]:
    name = "words__count"
    match framework:
        case "claude":
            return {"type": "tool_use", "id": "call-1", "name": name, "input": arguments}
        case "openai":
            text = json.dumps({"deep": None} | arguments)
            return {"type": "function_call", "call_id": "call-1", "name": name, "arguments": text}
        case _:
            return {"functionCall": {"id": "call-1", "name": name, "args": arguments}}


@pytest.mark.needs("sandbox")
@pytest.mark.parametrize("framework", ["claude", "openai", "google"])
def test_a_frameworks_call_is_answered_in_its_own_shape(
    counter: LoadedSkill, framework: str
) -> None:
    require_sandbox()

    answer = counter.answer_now(_message(framework, {"text": "one two"}), framework)
    failed = counter.answer_now(_message(framework, {"text": ""}), framework)
    refused = counter.answer_now(_message(framework, {"text": 7}), framework)

    shown = [json.dumps(each) for each in (answer, failed, refused)]
    assert all("call-1" in each for each in shown)
    assert "words" in shown[0]
    assert "2" in shown[0]
    assert "there is no text" in shown[1]
    assert "text" in shown[2]
    if framework == "claude":
        assert answer["type"] == "tool_result"
        assert (bool(answer.get("is_error")), failed["is_error"], refused["is_error"]) == (
            False,
            True,
            True,
        )


@pytest.mark.needs("sandbox")
def test_a_call_in_an_event_loop_does_not_block_it(counter: LoadedSkill) -> None:
    require_sandbox()

    async def both() -> tuple[object, object]:
        first = counter.call("count", {"text": "a b c"})
        second = counter.answer(_message("claude", {"text": "a"}), "claude")
        return await asyncio.gather(first, second)

    result, answer = asyncio.run(both())

    assert getattr(result, "value", None) == {
        "words": 3,
        "deep": False,
        "seen": ["GREETING"],
    }
    assert "1" in json.dumps(answer)
