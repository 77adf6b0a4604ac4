"""From a folder to a locked, installed, shared skill, through a real registry."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from spm.packing import pack_folder
from tests.support.program import Program, snapshot, write_skill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.registry_server import RunningRegistry


def _publish(program: Program, registry: RunningRegistry, folder: Path) -> None:
    run = program("publish", str(folder), "--registry", registry.url, SPM_TOKEN=registry.token)
    assert run.code == 0, run.err


@pytest.fixture
def diamond(registry: RunningRegistry, tmp_path: Path) -> str:
    """Publish top -> left, right -> bottom, with two versions of bottom; return the URL."""
    skills = tmp_path / "skills"
    for folder in (
        write_skill(skills / "1", "bottom", version="1.0.0"),
        write_skill(skills / "2", "bottom", version="1.4.0"),
        write_skill(skills / "3", "bottom", version="2.0.0"),
        write_skill(skills, "left", needs={"bottom": "^1.0"}),
        write_skill(skills, "right", needs={"bottom": ">=1.2"}),
        write_skill(skills, "top", needs={"left": "*", "right": "*"}),
    ):
        registry.publish(pack_folder(folder).archive)
    return registry.url


def _manifest(url: str, *names: str) -> str:
    wanted = "".join(f'{name} = "*"\n' for name in names)
    return f'[skills]\n{wanted}\n[registries]\ndefault = "{url}"\n'


def test_an_install_takes_the_newest_versions_that_fit_together(
    program: Program, diamond: str
) -> None:
    project = program.project(manifest=_manifest(diamond, "top"))

    run = program("install", folder=project)

    assert run.code == 0, run.err
    listed = program("list", "--json", folder=project).document
    assert {entry["name"]: entry["version"] for entry in listed} == {
        "bottom": "1.4.0",
        "left": "1.0.0",
        "right": "1.0.0",
        "top": "1.0.0",
    }


def test_the_same_manifest_gives_the_same_lock_on_another_machine(
    program: Program, diamond: str, tmp_path: Path
) -> None:
    locks: list[bytes] = []
    for name in ("here", "there"):
        other = Program.below(tmp_path / name)
        other.root.mkdir()
        project = other.project(manifest=_manifest(diamond, "top"))
        assert other("lock", folder=project).code == 0
        locks.append((project / "skills.lock").read_bytes())

    assert locks[0] == locks[1]
    assert str(tmp_path).encode() not in locks[0]


def test_a_second_project_downloads_nothing_and_shares_the_files(
    program: Program, diamond: str
) -> None:
    first = program.project("first", _manifest(diamond, "top"))
    second = program.project("second", _manifest(diamond, "left"))
    assert program("install", folder=first).code == 0

    report = program("install", "--json", folder=second).document

    assert report["downloaded"] == 0
    one, other = (project / ".roundtable/skills/left/1.0.0/SKILL.md" for project in (first, second))
    assert one.samefile(other)


def test_a_frozen_install_brings_back_every_byte_after_everything_is_wiped(
    program: Program, diamond: str
) -> None:
    project = program.project(manifest=_manifest(diamond, "top"))
    assert program("install", folder=project).code == 0
    lock = (project / "skills.lock").read_bytes()
    skill = project / ".roundtable/skills/top/1.0.0/SKILL.md"
    before = skill.read_bytes()
    shutil.rmtree(project / ".roundtable")
    wiped = Program.below(program.root / "elsewhere")
    wiped.root.mkdir()

    run = wiped("install", "--frozen", folder=project)

    assert run.code == 0, run.err
    assert skill.read_bytes() == before
    assert (project / "skills.lock").read_bytes() == lock


def test_a_frozen_install_refuses_a_lock_of_another_manifest(
    program: Program, diamond: str
) -> None:
    project = program.project(manifest=_manifest(diamond, "left"))
    assert program("lock", folder=project).code == 0
    (project / "skills.toml").write_text(_manifest(diamond, "left", "top"))
    before = snapshot(project)

    run = program("install", "--frozen", folder=project)

    assert run.code == 1
    assert "error: skills.lock does not fit skills.toml: " in run.err
    assert "hint: run `spm lock`, review the change, and commit skills.lock" in run.err
    assert snapshot(project) == before


def test_an_offline_install_needs_no_registry_once_the_store_has_everything(
    program: Program, diamond: str
) -> None:
    first = program.project("first", _manifest(diamond, "top"))
    assert program("install", folder=first).code == 0
    second = program.root / "second"
    second.mkdir()
    for name in ("skills.toml", "skills.lock"):
        shutil.copy(first / name, second / name)

    run = program("install", "--frozen", "--offline", folder=second)

    assert run.code == 0, run.err
    assert (second / ".roundtable/skills/top/1.0.0/SKILL.md").is_file()


def test_a_conflict_is_explained_and_changes_nothing(
    program: Program, registry: RunningRegistry, diamond: str, tmp_path: Path
) -> None:
    _publish(program, registry, write_skill(tmp_path / "new", "newer", needs={"bottom": "^2.0"}))
    project = program.project(manifest=_manifest(diamond, "left"))
    assert program("install", folder=project).code == 0
    before = snapshot(project)

    run = program("add", "newer", folder=project)

    assert run.code == 4
    assert "left" in run.err
    assert "newer" in run.err
    assert "bottom" in run.err
    assert snapshot(project) == before


def test_a_missing_dependency_is_named(
    program: Program, registry: RunningRegistry, tmp_path: Path
) -> None:
    _publish(program, registry, write_skill(tmp_path / "s", "lonely", needs={"nowhere": "^1"}))
    project = program.project(manifest=_manifest(registry.url, "lonely"))

    run = program("install", folder=project)

    assert run.code == 4
    assert "nowhere" in run.err
    assert not (project / "skills.lock").exists()


def test_remove_drops_what_nothing_else_needs(program: Program, diamond: str) -> None:
    project = program.project(manifest=_manifest(diamond, "top", "left"))
    assert program("install", folder=project).code == 0

    run = program("remove", "top", "--json", folder=project)

    assert run.code == 0, run.err
    assert sorted(run.document["unlinked"]) == ["right", "top"]
    names = [entry["name"] for entry in program("list", "--json", folder=project).document]
    assert names == ["bottom", "left"]


def test_what_was_done_is_said_and_nothing_else(
    program: Program, registry: RunningRegistry, tmp_path: Path
) -> None:
    _publish(program, registry, write_skill(tmp_path, "alone"))
    project = program.project(manifest=_manifest(registry.url))

    added = program("add", "alone", folder=project)
    again = program("install", "--force", folder=project)
    tree = (project / ".roundtable" / "skills" / "alone" / "1.0.0").resolve()
    (tree / "SKILL.md").chmod(0o644)
    (tree / "SKILL.md").write_text("damage")
    repaired = program("install", "--force", folder=project)
    removed = program("remove", "alone", folder=project)

    assert added.err == "+ alone 1.0.0\ninstalled 1 skill (1 downloaded, 0 from the store)\n"
    assert again.err == "everything is in place (1 skill)\n"
    assert repaired.err == "stored 1 skill again\n"
    assert removed.err == "- alone 1.0.0\nremoved 1 skill\n"


def test_update_moves_what_the_lock_held_back(
    program: Program, registry: RunningRegistry, diamond: str, tmp_path: Path
) -> None:
    project = program.project(manifest=_manifest(diamond, "left"))
    assert program("install", folder=project).code == 0
    _publish(program, registry, write_skill(tmp_path / "9", "bottom", version="1.9.0"))
    assert program("install", folder=project).code == 0
    held = {entry["name"]: entry["version"] for entry in _listed(program, project)}

    run = program("update", "bottom", folder=project)

    assert run.code == 0, run.err
    assert held["bottom"] == "1.4.0"
    assert "~ bottom 1.4.0 -> 1.9.0" in run.err


def _listed(program: Program, project: Path) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = program("list", "--json", folder=project).document
    return listed


def test_search_info_and_tags_answer_from_the_registry(
    program: Program, registry: RunningRegistry, tmp_path: Path
) -> None:
    folder = write_skill(tmp_path / "s", "table-tools", yaml="tags: [data, csv]\n")
    _publish(program, registry, folder)

    found = program("search", "table", "--registry", registry.url, "--json").document
    info = program("info", "table-tools", "--registry", registry.url, "--json").document
    tags = program("tags", "--registry", registry.url, "--json").document

    assert [skill["name"] for skill in found["skills"]] == ["table-tools"]
    assert info["version"] == "1.0.0"
    assert info["checksum"].startswith("sha256:")
    assert {tag["name"] for tag in tags["tags"]} == {"data", "csv"}


def test_a_project_records_when_registries_were_asked(program: Program, diamond: str) -> None:
    project = program.project(manifest=_manifest(diamond, "left"))

    assert program("install", folder=project).code == 0

    path = project / ".roundtable/skills/.cache/registry-metadata.json"
    record = json.loads(path.read_text())
    assert set(record) == {"lastSyncTime", "etags"}
    assert set(record["etags"]) == {
        f"{diamond}/api/v1/skills/{name}" for name in ("bottom", "left")
    }


def test_add_without_a_range_writes_the_compatible_range(program: Program, diamond: str) -> None:
    project = program.project(manifest=_manifest(diamond, "left"))

    assert program("add", "bottom", folder=project).code == 0

    assert 'bottom = "^1.4.0"' in (project / "skills.toml").read_text()
    assert program("install", "--frozen", folder=project).code == 0


def test_install_with_a_name_says_how_to_add_it(program: Program) -> None:
    run = program("install", "csv-tools")

    assert run.code == 3
    assert run.err == (
        "error: `install` takes no names: it installs what skills.lock pins\n"
        "hint: run `spm add csv-tools` to add to the project and install\n"
    )


def test_publishing_a_version_twice_is_refused(
    program: Program, registry: RunningRegistry, tmp_path: Path
) -> None:
    folder = write_skill(tmp_path / "s", "once")
    _publish(program, registry, folder)
    (folder / "SKILL.md").write_text(
        (folder / "SKILL.md").read_text() + "\nmore\n", encoding="utf-8"
    )

    run = program("publish", str(folder), "--registry", registry.url, SPM_TOKEN=registry.token)

    assert run.code == 3
    assert "once" in run.err
    assert "1.0.0" in run.err


def test_an_unreachable_registry_is_an_environment_failure(program: Program) -> None:
    project = program.project(manifest=_manifest("http://127.0.0.1:9", "any"))
    before = snapshot(project)

    run = program("install", folder=project)

    assert run.code == 5
    assert "http://127.0.0.1:9" in run.err
    assert snapshot(project) == before


def test_an_error_is_one_line_of_json_when_json_is_asked_for(program: Program) -> None:
    run = program("list", "--json")

    assert run.code == 3
    assert run.out == ""
    error = json.loads(run.err)["error"]
    assert error["kind"] == "mistake"
    assert error["hint"] == "run `spm init` here first"
