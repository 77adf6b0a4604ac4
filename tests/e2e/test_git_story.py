"""Skills from a git repository: found, pinned, kept, moved."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.git_world import GitRepository
from tests.support.program import Program, Run, snapshot

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.needs("git")
NAMES = ("draft", "summarise", "translate")


@dataclass(frozen=True)
class Story:
    """A repository with three Markdown skills, and a project that may use them."""

    program: Program
    repository: GitRepository
    project: Path

    def spm(self, *words: str) -> Run:
        return self.program(*words, folder=self.project)

    def address(self, name: str, reference: str = "") -> str:
        at = f"@{reference}" if reference else ""
        return f"git+{self.repository.url}{at}#subdirectory=skills/{name}"

    def written(self, name: str) -> str:
        return (self.project / f".roundtable/skills/{name}/0.0.0/SKILL.md").read_text()

    def change(self, name: str, text: str) -> str:
        """Commit another SKILL.md upstream and return the commit."""
        head = f"---\nname: {name}\ndescription: Does {name}.\n---\n"
        self.repository.write(f"skills/{name}/SKILL.md", head + text)
        return self.repository.commit(text)


@pytest.fixture
def story(program: Program, tmp_path: Path) -> Story:
    repository = GitRepository.make(tmp_path / "upstream")
    made = Story(program, repository, program.project(manifest="[skills]\n"))
    for name in NAMES:
        made.change(name, "first")
    return made


def test_a_repository_of_several_skills_lists_what_to_write(story: Story) -> None:
    before = snapshot(story.project)

    run = story.spm("add", f"git+{story.repository.url}")

    assert run.code == 3
    assert run.err.splitlines() == [
        f"error: {story.repository.url}: holds 3 skills",
        "hint: write one of:",
        *(story.address(name) for name in NAMES),
    ]
    assert snapshot(story.project) == before


def test_a_line_of_that_list_adds_the_skill_and_pins_its_commit(story: Story) -> None:
    commit = story.repository.git("rev-parse", "HEAD")

    run = story.spm("add", story.address("summarise"))

    assert run.code == 0, run.err
    assert story.written("summarise").endswith("first")
    lock = (story.project / "skills.lock").read_text()
    assert commit in lock
    assert commit not in (story.project / "skills.toml").read_text()
    assert "skills/summarise" in (story.project / "skills.toml").read_text()
    listed = story.spm("list", "--json").document
    assert [skill["name"] for skill in listed] == ["summarise"]


def test_two_skills_of_one_repository_are_both_kept(story: Story) -> None:
    runs = [story.spm("add", story.address(name)) for name in ("draft", "translate")]

    assert [run.code for run in runs] == [0, 0], [run.err for run in runs]
    assert [skill["name"] for skill in story.spm("list", "--json").document] == [
        "draft",
        "translate",
    ]


def test_install_stays_at_the_commit_and_update_moves(story: Story) -> None:
    assert story.spm("add", story.address("draft")).code == 0
    lock = (story.project / "skills.lock").read_bytes()
    commit = story.change("draft", "second")

    installed = story.spm("install", "--force")
    kept = story.written("draft")
    updated = story.spm("update", "draft")

    assert installed.code == 0, installed.err
    assert kept.endswith("first")
    assert updated.code == 0, updated.err
    assert "~ draft 0.0.0 (" in updated.err
    assert story.written("draft").endswith("second")
    assert lock != (story.project / "skills.lock").read_bytes()
    assert commit in (story.project / "skills.lock").read_text()


def test_update_of_one_skill_leaves_the_other_at_its_commit(story: Story) -> None:
    for name in ("draft", "translate"):
        assert story.spm("add", story.address(name)).code == 0
    story.change("draft", "second")
    story.change("translate", "second")

    run = story.spm("update", "draft")

    assert run.code == 0, run.err
    assert story.written("draft").endswith("second")
    assert story.written("translate").endswith("first")


def test_a_frozen_offline_install_needs_neither_network_nor_repository(story: Story) -> None:
    assert story.spm("add", story.address("draft")).code == 0
    shutil.rmtree(story.repository.folder)
    shutil.rmtree(story.project / ".roundtable")
    for path in story.program.root.joinpath("data").rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(story.program.root / "data")

    run = story.spm("install", "--frozen", "--offline")

    assert run.code == 0, run.err
    assert "installed 1 skill (1 downloaded" in run.err
    assert story.written("draft").endswith("first")


def test_an_offline_add_of_an_unknown_repository_says_what_to_do(story: Story) -> None:
    before = snapshot(story.project)

    run = story.spm("add", story.address("draft"), "--offline")

    assert run.code == 5
    assert "offline, and no commit is locked" in run.err
    assert "hint: run it once without --offline" in run.err
    assert snapshot(story.project) == before


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("no-such-tag", "there is no branch or tag `no-such-tag`"),
        ("f" * 40, "there is no commit ffffffff"),
        ("abcdef1", "there is no branch or tag `abcdef1`"),
    ],
)
def test_a_reference_that_is_not_there_is_named(story: Story, reference: str, said: str) -> None:
    before = snapshot(story.project)

    run = story.spm("add", story.address("draft", reference))

    assert run.code == 3, run.err
    assert said in run.err
    assert story.repository.url in run.err
    assert snapshot(story.project) == before


def test_a_repository_that_is_gone_is_an_environment_failure(story: Story) -> None:
    before = snapshot(story.project)

    run = story.spm("add", f"git+file://{story.program.root}/nowhere")

    assert run.code == 5
    assert f"file://{story.program.root}/nowhere: git ls-remote failed" in run.err
    assert "hint: check the address" in run.err
    assert snapshot(story.project) == before


def test_a_moved_tag_is_noticed_by_update_alone(story: Story) -> None:
    story.repository.git("tag", "v1")
    assert story.spm("add", story.address("draft", "v1")).code == 0
    commit = story.change("draft", "moved")
    story.repository.git("tag", "-f", "v1")

    installed = story.spm("install", "--force")
    kept = story.written("draft")
    updated = story.spm("update")

    assert installed.code == 0, installed.err
    assert kept.endswith("first")
    assert updated.code == 0, updated.err
    assert story.written("draft").endswith("moved")
    assert commit in (story.project / "skills.lock").read_text()


def test_a_lock_whose_commit_was_changed_is_refused(story: Story) -> None:
    """The commit may be real; the tree digest is of another."""
    assert story.spm("add", story.address("draft")).code == 0
    first = story.repository.git("rev-parse", "HEAD")
    second = story.change("draft", "second")
    lock = story.project / "skills.lock"
    lock.write_text(lock.read_text().replace(first, second))
    elsewhere = Program.below(story.program.root / "elsewhere")
    elsewhere.root.mkdir()
    shutil.rmtree(story.project / ".roundtable")
    before = snapshot(story.project)

    run = elsewhere("install", "--frozen", folder=story.project)

    assert run.code == 6, run.err
    assert "draft: expected blake3:" in run.err
    assert snapshot(story.project) == before
