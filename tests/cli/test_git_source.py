"""Skills from git repositories: which commit, which folder, which bytes, and when the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spm.sources.git import (
    GitCheckout,
    GitFailed,
    GitRefused,
    NoSuchReference,
    NoSuchSkill,
    fetch_git,
    list_skills,
)
from spm_spec.sources import GitSource
from tests.support.git_world import SKILL, GitRepository, git_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.needs("git")


class World:
    """A repository, a cache, and someone who fetches."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.repository = GitRepository.make(folder / "repository")
        self.environment: Mapping[str, str] = git_environment(folder)

    def source(
        self,
        reference: str | None = None,
        subdirectory: str | None = None,
        commit: str | None = None,
    ) -> GitSource:
        return GitSource(self.repository.url, reference, subdirectory, commit)

    def fetch(self, source: GitSource, *, offline: bool = False) -> GitCheckout:
        return fetch_git(source, cache=self.cache, offline=offline, environment=self.environment)

    def vanish(self) -> None:
        self.repository.folder.rename(self.repository.folder.with_name("gone"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def paths(checkout: GitCheckout) -> list[str]:
    return [entry.path for entry in checkout.files]


def test_fetch_gives_the_files_of_the_commit_with_bytes_and_execute_bits(
    world: World,
) -> None:
    world.repository.skill("")
    world.repository.write("scripts/run.sh", b"#!/bin/sh\r\necho hi\r\n").chmod(0o755)
    commit = world.repository.commit()

    checkout = world.fetch(world.source())

    assert (checkout.commit, checkout.subdirectory) == (commit, None)
    assert [(f.path, f.data, f.executable) for f in checkout.files] == [
        ("SKILL.md", SKILL.format(name="tidy").encode(), False),
        ("scripts/run.sh", b"#!/bin/sh\r\necho hi\r\n", True),
    ]


@pytest.mark.parametrize("reference", ["v1", "stable", "refs/heads/stable", "refs/tags/v1"])
def test_fetch_follows_tags_and_branches_to_their_commit(world: World, reference: str) -> None:
    """An annotated tag is an object of its own; what counts is the commit behind it."""
    world.repository.skill("")
    first = world.repository.commit()
    world.repository.git("tag", "-a", "-m", "one", "v1")
    world.repository.git("branch", "stable")
    world.repository.write("later.md", "later")
    world.repository.commit()

    checkout = world.fetch(world.source(reference))

    assert checkout.commit == first
    assert paths(checkout) == ["SKILL.md"]


def test_fetch_takes_a_whole_commit_id_as_reference(world: World) -> None:
    world.repository.skill("")
    first = world.repository.commit()
    world.repository.write("later.md", "later")
    world.repository.commit()

    assert world.fetch(world.source(first)).commit == first


def test_fetch_asks_again_what_a_branch_means(world: World) -> None:
    world.repository.skill("")
    world.repository.commit()
    world.fetch(world.source("main"))
    world.repository.write("later.md", "later")
    second = world.repository.commit()

    assert world.fetch(world.source("main")).commit == second


def test_a_locked_commit_that_is_at_hand_needs_no_repository(world: World) -> None:
    world.repository.skill("")
    commit = world.repository.commit()
    before = world.fetch(world.source("main"))
    world.vanish()

    assert world.fetch(world.source("main", commit=commit), offline=True) == before
    assert world.fetch(world.source("main", commit=commit)) == before


def test_a_locked_commit_is_fetched_even_when_its_branch_moved_on(world: World) -> None:
    world.repository.skill("")
    first = world.repository.commit()
    world.repository.write("later.md", "later")
    world.repository.commit()

    checkout = world.fetch(world.source("main", commit=first))

    assert checkout.commit == first
    assert paths(checkout) == ["SKILL.md"]


def test_offline_without_a_known_commit_says_what_to_do(world: World) -> None:
    world.repository.skill("")
    world.repository.commit()

    with pytest.raises(GitFailed) as caught:
        world.fetch(world.source("main"), offline=True)

    assert caught.value.message == f"{world.repository.url}: offline, and no commit is locked"
    assert caught.value.hint == "run it once without --offline"
    assert not world.cache.exists()


def test_offline_with_a_commit_that_is_not_at_hand_is_a_failure(world: World) -> None:
    with pytest.raises(GitFailed, match=r"offline, and the commit a{40} is not in the cache"):
        world.fetch(world.source(commit="a" * 40), offline=True)


def test_a_missing_repository_is_a_failure_never_a_missing_skill(world: World) -> None:
    world.vanish()

    with pytest.raises(GitFailed, match=r"git ls-remote failed: .*repository"):
        world.fetch(world.source("main"))


def test_an_unknown_reference_is_named(world: World) -> None:
    world.repository.skill("")
    world.repository.commit()

    with pytest.raises(NoSuchReference) as caught:
        world.fetch(world.source("v9"))

    assert caught.value.message == f"{world.repository.url}: there is no branch or tag `v9`"


def test_a_reference_that_is_the_end_of_another_is_not_that_one(world: World) -> None:
    """``git ls-remote`` matches from the end; a fork of a name is not the name."""
    world.repository.skill("")
    world.repository.commit()
    world.repository.git("branch", "fork/refs/heads/stable")

    with pytest.raises(NoSuchReference):
        world.fetch(world.source("stable"))


def test_a_name_that_is_both_branch_and_tag_must_be_written_out(world: World) -> None:
    world.repository.skill("")
    world.repository.commit()
    world.repository.git("tag", "same")
    world.repository.git("branch", "same")

    with pytest.raises(NoSuchReference, match=r"`same` is both a branch and a tag") as caught:
        world.fetch(world.source("same"))

    assert caught.value.hint == "write @refs/tags/same or @refs/heads/same"


def test_a_shortened_commit_is_refused_with_the_reason(world: World) -> None:
    world.repository.skill("")
    commit = world.repository.commit()

    with pytest.raises(NoSuchReference) as caught:
        world.fetch(world.source(commit[:10]))

    assert caught.value.hint == "a commit is named by its whole id"


def test_a_commit_nobody_has_is_told_from_a_failure(world: World) -> None:
    world.repository.skill("")
    world.repository.commit()

    with pytest.raises(NoSuchReference, match=r"there is no commit b{40} in its branches and tags"):
        world.fetch(world.source(commit="b" * 40))


def test_the_only_skill_of_a_repository_needs_no_subdirectory(world: World) -> None:
    world.repository.skill("skills/tidy")
    world.repository.write("README.md", "hello")
    world.repository.commit()

    checkout = world.fetch(world.source())

    assert checkout.subdirectory == "skills/tidy"
    assert paths(checkout) == ["SKILL.md"]


def test_several_skills_are_listed_with_what_to_write(world: World) -> None:
    world.repository.skill("skills/tidy")
    world.repository.skill("skills/neat", "neat")
    world.repository.commit()

    with pytest.raises(NoSuchSkill) as caught:
        world.fetch(world.source("main"))

    url = world.repository.url
    assert caught.value.message == f"{url}: holds 2 skills"
    assert caught.value.hint == (
        f"write one of:\ngit+{url}@main#subdirectory=skills/neat\n"
        f"git+{url}@main#subdirectory=skills/tidy"
    )
    assert paths(world.fetch(world.source("main", "skills/neat"))) == ["SKILL.md"]


def test_list_skills_finds_every_folder_with_a_skill(world: World) -> None:
    world.repository.skill("skills/tidy")
    world.repository.skill("deep/er/neat", "neat")
    commit = world.repository.commit()

    found = list_skills(
        world.source(), cache=world.cache, offline=False, environment=world.environment
    )

    assert (found.commit, found.subdirectories) == (commit, ("deep/er/neat", "skills/tidy"))


def test_a_subdirectory_without_a_skill_is_named(world: World) -> None:
    world.repository.skill("skills/tidy")
    world.repository.commit()

    with pytest.raises(NoSuchSkill, match=r"no SKILL.md in `skills/tid`"):
        world.fetch(world.source(None, "skills/tid"))


def test_a_repository_without_a_skill_says_so(world: World) -> None:
    world.repository.write("README.md", "hello")
    world.repository.commit()

    with pytest.raises(NoSuchSkill, match=r"no folder holds a SKILL.md"):
        world.fetch(world.source())


def test_links_inside_a_skill_are_replaced_by_what_they_mean(world: World) -> None:
    world.repository.skill("")
    world.repository.write("references/a.md", "a")
    (world.repository.folder / "alias.md").symlink_to("references/../references/a.md")
    (world.repository.folder / "docs").symlink_to("references")
    (world.repository.folder / "again.md").symlink_to("docs/a.md")
    world.repository.commit()

    checkout = world.fetch(world.source())

    assert {f.path: f.data for f in checkout.files if f.path != "SKILL.md"} == {
        "again.md": b"a",
        "alias.md": b"a",
        "docs/a.md": b"a",
        "references/a.md": b"a",
    }


def test_a_submodule_is_refused_with_what_to_do(world: World) -> None:
    world.repository.skill("")
    head = world.repository.commit()
    world.repository.git("update-index", "--add", "--cacheinfo", f"160000,{head},vendored")
    world.repository.git("commit", "-q", "-m", "submodule")

    with pytest.raises(GitRefused, match=r"`vendored` is a submodule") as caught:
        world.fetch(world.source())

    assert caught.value.hint == ("commit the files themselves, or name the submodule's repository")


def test_a_pointer_to_large_file_storage_is_refused(world: World) -> None:
    world.repository.skill("")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n"
    world.repository.write("assets/big.bin", pointer)
    world.repository.commit()

    with pytest.raises(GitRefused, match=r"`assets/big.bin` is a pointer to large file storage"):
        world.fetch(world.source())


def test_an_interrupted_fetch_leaves_nothing_in_the_way(world: World) -> None:
    """What a killed git leaves locked is ours to remove: only one process is in a mirror."""
    world.repository.skill("")
    world.repository.commit()
    world.fetch(world.source())
    mirror = next(world.cache.glob("*.git"))
    (mirror / "shallow.lock").touch()
    world.repository.write("later.md", "later")
    second = world.repository.commit()

    assert world.fetch(world.source()).commit == second


def test_a_machine_without_git_says_so(world: World, tmp_path: Path) -> None:
    world.environment = {"PATH": str(tmp_path)}

    with pytest.raises(GitFailed, match=r"there is no `git` on this machine"):
        world.fetch(world.source())


def test_repositories_with_longer_object_names_work(tmp_path: Path) -> None:
    world = World(tmp_path / "other")
    folder = tmp_path / "sha256"
    folder.mkdir()
    world.repository = GitRepository(folder)
    world.repository.git("init", "-q", "-b", "main", "--object-format=sha256")
    world.repository.skill("")
    commit = world.repository.commit()

    checkout = world.fetch(world.source())

    assert checkout.commit == commit
    assert len(commit) == 64
