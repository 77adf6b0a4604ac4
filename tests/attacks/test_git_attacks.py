"""A repository, or whoever names one, tries to make git do more than read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from spm.sources.git import GitCheckout, GitFailed, GitRefused, fetch_git
from spm.sources.git_entries import list_commit, skill_files
from spm.sources.git_process import Git, clean_environment
from spm_spec.errors import SpmError
from spm_spec.sources import GitSource
from spm_spec.tree import Limits
from tests.support.git_world import GitRepository, git_environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.needs("git")


def fetch(source: GitSource, folder: Path, **more: str) -> GitCheckout:
    environment = git_environment(folder) | more
    return fetch_git(source, cache=folder / "cache", offline=False, environment=environment)


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    made = GitRepository.make(tmp_path / "repository")
    made.skill("")
    made.commit()
    return made


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% {marker}",
        "ext::{marker}",
        "--upload-pack=touch {marker}",
        "-u{marker}",
        "ssh://-oProxyCommand=touch%20{marker}/x",
        "ssh://user@-oProxyCommand=touch/x",
        "git://example.org/x",
        "http://example.org/x",
        "fd::17",
        "/etc",
        "file:///a\nb",
        "https://example.org/x y",
        "file:///a\x1b[31m",
        "",
    ],
)
def test_an_address_that_is_more_than_an_address_is_refused(tmp_path: Path, url: str) -> None:
    marker = tmp_path / "marker"

    with pytest.raises(GitRefused, match=r"^the address "):
        fetch(GitSource(url.format(marker=marker), None, None), tmp_path)

    assert not marker.exists()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "reference",
    [
        "--upload-pack=touch",
        "-q",
        "main:refs/heads/other",
        "ma*n",
        "main^{tree}",
        "main~1",
        "a..b",
        "@{-1}",
        "refs/heads/.hidden",
        "a.lock",
        "x\ny",
        "x y",
        "/main",
        "main/",
        "a" * 300,
        "",
    ],
)
def test_a_reference_that_is_an_option_a_pattern_or_a_revision_is_refused(
    repository: GitRepository, tmp_path: Path, reference: str
) -> None:
    with pytest.raises(GitRefused, match=r"cannot be the name of a branch or a tag"):
        fetch(GitSource(repository.url, reference, None), tmp_path)

    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("commit", ["--help", "HEAD", "a" * 39, "A" * 40, "a" * 40 + "\n"])
def test_a_lock_whose_commit_is_no_commit_is_refused(
    repository: GitRepository, tmp_path: Path, commit: str
) -> None:
    with pytest.raises(GitRefused, match=r"is no commit id"):
        fetch(GitSource(repository.url, None, None, commit), tmp_path)


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../outside.md", "references/../../outside.md", "a\\..\\..\\b"]
)
def test_a_link_that_leaves_the_skill_is_refused(tmp_path: Path, target: str) -> None:
    made = GitRepository.make(tmp_path / "repository")
    made.skill("skills/tidy")
    made.write("skills/outside.md", "not yours")
    made.write("skills/tidy/references/a.md", "a")
    (made.folder / "skills/tidy/link.md").symlink_to(target)
    made.commit()

    with pytest.raises(GitRefused, match=r"the link `link.md` to .* leaves the skill"):
        fetch(GitSource(made.url, None, None), tmp_path)


@pytest.mark.parametrize(
    "links",
    [
        {"a": "a"},
        {"a": "b", "b": "a"},
        {"x/up": "..", "x/f.md": ""},
        {"one/l": "../two", "two/l": "../one"},
    ],
)
def test_links_that_go_round_are_refused(tmp_path: Path, links: dict[str, str]) -> None:
    made = GitRepository.make(tmp_path / "repository")
    made.skill("")
    for path, target in links.items():
        place = made.folder / path
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(target) if target else place.touch()
    made.commit()

    with pytest.raises(GitRefused, match=r"leads into itself"):
        fetch(GitSource(made.url, None, None), tmp_path)


def test_links_that_multiply_are_stopped(tmp_path: Path) -> None:
    """Ten folders of ten links, each to the next: ten thousand million files."""
    made = GitRepository.make(tmp_path / "repository")
    made.skill("")
    for level in range(10):
        (made.folder / f"d{level}").mkdir()
        for name in range(10):
            (made.folder / f"d{level}/l{name}").symlink_to(f"../d{level + 1}")
    made.write("d10/end.md", "x")
    made.commit()

    with pytest.raises(GitRefused, match=r"makes more than 10000 files"):
        fetch(GitSource(made.url, None, None), tmp_path)


def test_a_link_to_nothing_is_refused(repository: GitRepository, tmp_path: Path) -> None:
    (repository.folder / "link.md").symlink_to("absent.md")
    repository.commit()

    with pytest.raises(GitRefused, match=r"the link `link.md` to `absent.md` points to nothing"):
        fetch(GitSource(repository.url, None, None), tmp_path)


def test_hooks_and_filters_of_a_repository_do_not_run(
    repository: GitRepository, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    for hook in (
        "post-checkout",
        "post-merge",
        "reference-transaction",
        "pre-auto-gc",
        "fsmonitor",
    ):
        script = repository.write(f".git/hooks/{hook}", f"#!/bin/sh\ntouch {marker}\n")
        script.chmod(0o755)
    repository.write(".gitattributes", "* filter=evil text eol=crlf\n")
    repository.write("plain.txt", "a\nb\n")
    repository.write(".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = ext::touch\n')
    repository.git("-c", "core.hooksPath=/dev/null", "add", "-A")
    repository.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "x")
    person = tmp_path / ".gitconfig"
    person.write_text(f'[filter "evil"]\n\tsmudge = touch {marker}\n\tclean = touch {marker}\n')
    marker.unlink(missing_ok=True)

    checkout = fetch(GitSource(repository.url, None, None), tmp_path)

    assert not marker.exists()
    assert {f.path: f.data for f in checkout.files}["plain.txt"] == b"a\nb\n"


def test_hooks_a_person_installed_do_not_run_either(
    repository: GitRepository, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "reference-transaction").write_text(f"#!/bin/sh\ntouch {marker}\n")
    (hooks / "reference-transaction").chmod(0o755)
    (tmp_path / ".gitconfig").write_text(f"[core]\n\thooksPath = {hooks}\n")

    fetch(GitSource(repository.url, None, None), tmp_path)

    assert not marker.exists()


def test_variables_that_redirect_git_do_not_reach_it(
    repository: GitRepository, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    script = tmp_path / "evil"
    script.write_text(f"#!/bin/sh\ntouch {marker}\n")
    script.chmod(0o755)
    evil = {
        "GIT_DIR": str(tmp_path / "elsewhere"),
        "GIT_WORK_TREE": str(tmp_path),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"),
        "GIT_EXEC_PATH": str(tmp_path),
        "GIT_SSH_COMMAND": str(script),
        "GIT_PROXY_COMMAND": str(script),
        "GIT_EXTERNAL_DIFF": str(script),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": str(script),
        "GIT_TRACE": str(marker),
    }

    checkout = fetch(GitSource(repository.url, None, None), tmp_path, **evil)

    assert [entry.path for entry in checkout.files] == ["SKILL.md"]
    assert not marker.exists()
    assert not (tmp_path / "elsewhere").exists()


def test_git_is_given_the_agent_of_the_person_and_no_way_to_ask() -> None:
    given = clean_environment(
        {"SSH_AUTH_SOCK": "/agent", "HOME": "/home/ada", "GIT_SSH": "evil", "SSH_ASKPASS": "evil"}
    )

    assert given["SSH_AUTH_SOCK"] == "/agent"
    assert given["GIT_TERMINAL_PROMPT"] == "0"
    assert given["GIT_ASKPASS"] == ""
    assert given["GIT_ALLOW_PROTOCOL"] == "https:ssh:file"
    assert not {"GIT_SSH", "SSH_ASKPASS"} & set(given)


def test_an_address_rewritten_by_configuration_cannot_reach_another_transport(
    repository: GitRepository, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    (tmp_path / ".gitconfig").write_text(
        f'[url "ext::touch {marker} %S "]\n\tinsteadOf = file://\n'
        '[protocol "ext"]\n\tallow = always\n'
    )

    with pytest.raises(GitFailed, match=r"not allowed"):
        fetch(GitSource(repository.url, None, None), tmp_path)

    assert not marker.exists()


def test_a_huge_tree_is_refused_before_its_bytes_are_read(
    repository: GitRepository, tmp_path: Path
) -> None:
    blob = repository.git("hash-object", "-w", "--stdin", stdin=b"x")
    lines = "".join(f"100644 {blob}\tmany/{number}\n" for number in range(10_001))
    repository.git("update-index", "--index-info", stdin=lines.encode())
    repository.git("commit", "-q", "-m", "many")

    with pytest.raises(GitRefused, match=r"more than 10000 files in the skill"):
        fetch(GitSource(repository.url, None, None), tmp_path)


def test_sizes_are_held_against_the_limits(repository: GitRepository, tmp_path: Path) -> None:
    repository.write("big.bin", b"x" * 5000)
    repository.write("other.bin", b"y" * 5000)
    commit = repository.commit()
    git = Git(git_environment(tmp_path), str(repository.folder / ".git"))
    entries = list_commit(git, commit, "here")

    with pytest.raises(GitRefused, match=r"here: `big.bin` has 5000 bytes, at most 4096"):
        skill_files(git, entries, "", "here", Limits(file_bytes=4096))
    with pytest.raises(GitRefused, match=r"here: \d+ bytes of files, at most 8192"):
        skill_files(git, entries, "", "here", Limits(tree_bytes=8192))


def test_names_no_system_should_write_are_refused_or_kept_as_names(
    repository: GitRepository, tmp_path: Path
) -> None:
    """A tree may hold any bytes as a name; none of them is ever a place to write to."""
    blob = repository.git("hash-object", "-w", "--stdin", stdin=b"x")
    skill = repository.git("rev-parse", "HEAD:SKILL.md")
    tree = repository.git(
        "mktree",
        "-z",
        stdin=f"100644 blob {skill}\tSKILL.md\0100644 blob {blob}\t\xff".encode("latin-1"),
    )
    commit = repository.git("commit-tree", "-m", "x", tree)
    repository.git("update-ref", "refs/heads/odd", commit)

    with pytest.raises(GitRefused, match=r"is not UTF-8"):
        fetch(GitSource(repository.url, "odd", None), tmp_path)


def test_a_damaged_mirror_is_an_error_never_other_bytes(
    repository: GitRepository, tmp_path: Path
) -> None:
    fetch(GitSource(repository.url, None, None), tmp_path)
    commit = repository.git("rev-parse", "HEAD")
    pack = next((tmp_path / "cache").glob("*.git/objects/pack/*.pack"))
    pack.chmod(0o644)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 0xFF
    pack.write_bytes(data)

    with pytest.raises(SpmError) as caught:
        fetch(GitSource(repository.url, None, None, commit), tmp_path)

    assert isinstance(caught.value, GitFailed | GitRefused)


def test_a_mirror_is_named_by_hash_so_an_address_is_no_path(
    repository: GitRepository, tmp_path: Path
) -> None:
    fetch(GitSource(f"{repository.url}/../repository", None, None), tmp_path)

    digest = hashlib.sha256(f"{repository.url}/../repository".encode()).hexdigest()[:40]
    kept = sorted(path.name for path in (tmp_path / "cache").iterdir())
    assert kept == [
        f"{digest}.git",
        f"{digest}.git.lock",
    ]
