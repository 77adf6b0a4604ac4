"""Skills from a git repository, by commit.

One bare mirror a repository is kept below the cache. A commit that was fetched
has a reference of its own there, written last, so what has one is whole and
needs no network. What a reference of the repository means is asked anew each
time; what a commit means never changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spm.sources.git_entries import Entry, list_commit, skill_files, skill_folders
from spm.sources.git_process import (
    NETWORK_SECONDS,
    Git,
    GitFailed,
    GitRefused,
    check_still_wanted,
    printable,
)
from spm_spec.errors import UserMistake

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from spm_spec.sources import GitSource
    from spm_spec.tree import FileEntry

__all__ = [
    "GitCheckout",
    "GitFailed",
    "GitRefused",
    "GitSkills",
    "NoSuchReference",
    "NoSuchSkill",
    "fetch_git",
    "list_skills",
]

MAX_URL = 2048  # characters
MAX_REFERENCE = 256  # characters
MAX_LISTED_SKILLS = 20
TURN_SECONDS = 0.05  # between two looks whether another process has finished its fetch

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ABBREVIATED: Final = re.compile(r"[0-9a-f]{4,63}")
_URL: Final = re.compile(r"(https|ssh|file)://[^\s\\]+")
# git-check-ref-format, without what a pattern or a revision could be made of.
_REFERENCE: Final = re.compile(r"[A-Za-z0-9_.+@%=,#!/\u00a1-\U0010ffff-]+")


class NoSuchReference(UserMistake):
    """The repository answered, and has no such branch, tag or commit."""


class NoSuchSkill(UserMistake):
    """The repository holds no skill there, or several and none was named."""


@dataclass(frozen=True, slots=True)
class GitCheckout:
    """The files of one skill at one commit; ``subdirectory`` is None for the root."""

    commit: str
    subdirectory: str | None
    files: tuple[FileEntry, ...]


@dataclass(frozen=True, slots=True)
class GitSkills:
    """Every folder with a skill at one commit, sorted; the root is the empty text."""

    commit: str
    subdirectories: tuple[str, ...]


def fetch_git(
    source: GitSource, *, cache: Path, offline: bool, environment: Mapping[str, str]
) -> GitCheckout:
    """Return the skill ``source`` names; with a known commit at hand, without the network.

    Raises:
        NoSuchReference, NoSuchSkill: the repository has no such thing.
        GitRefused: the source or the repository is not one to be trusted.
        GitFailed: git, the network or the disk failed, or ``offline`` forbids to ask.
    """
    mirror = _Mirror(source.url, cache, environment, offline=offline)
    commit = mirror.commit(source)
    entries = mirror.entries(commit)
    folder = _chosen_folder(source, skill_folders(entries))
    files = skill_files(mirror.git(commit), entries, folder, source.url)
    return GitCheckout(commit, folder or None, files)


def list_skills(
    source: GitSource, *, cache: Path, offline: bool, environment: Mapping[str, str]
) -> GitSkills:
    """Return every skill in the repository of ``source``; raises as ``fetch_git`` does."""
    mirror = _Mirror(source.url, cache, environment, offline=offline)
    commit = mirror.commit(source)
    return GitSkills(commit, skill_folders(mirror.entries(commit)))


def _chosen_folder(source: GitSource, folders: tuple[str, ...]) -> str:
    """Return the folder of the skill that is meant.

    A skill at the root is the repository's skill: what lies below belongs to it.
    """
    wanted = None if source.subdirectory is None else source.subdirectory.strip("/")
    if wanted in {"", "."}:
        wanted = ""
    if wanted is not None and wanted in folders:
        return wanted
    if wanted is None and ("" in folders or len(folders) == 1):
        return min(folders)
    at = f"@{source.reference}" if source.reference else ""
    exact = [f"git+{source.url}{at}#subdirectory={folder}" for folder in folders if folder]
    listed = "\n".join(printable(each) for each in exact[:MAX_LISTED_SKILLS])
    rest = len(exact) - MAX_LISTED_SKILLS
    more = f"\nand {rest} more" if rest > 0 else ""
    hint = f"write one of:\n{listed}{more}" if exact else None
    if not folders:
        raise NoSuchSkill(f"{source.url}: no folder holds a SKILL.md")
    if wanted is None:
        raise NoSuchSkill(f"{source.url}: holds {len(folders)} skills", hint=hint)
    raise NoSuchSkill(f"{source.url}: no SKILL.md in `{printable(wanted)}`", hint=hint)


class _Mirror:
    """The bare repository kept for one url."""

    def __init__(
        self, url: str, cache: Path, environment: Mapping[str, str], *, offline: bool
    ) -> None:
        self._url = _checked_url(url)
        self._cache = cache
        self._environment = environment
        self._offline = offline

    def git(self, commit: str) -> Git:
        """Return git for the mirror that has the object format of ``commit``."""
        return Git(self._environment, str(self._path(commit)))

    def entries(self, commit: str) -> tuple[Entry, ...]:
        """Return what ``commit`` holds; it has been fetched."""
        return list_commit(self.git(commit), commit, self._url)

    def commit(self, source: GitSource) -> str:
        """Return the commit that ``source`` means, and have it in the mirror."""
        reference = source.reference
        commit = source.commit
        if commit is None and reference is not None and _COMMIT.fullmatch(reference):
            commit = reference
        if commit is not None:
            if not _COMMIT.fullmatch(commit):
                raise GitRefused(f"{self._url}: `{printable(commit)[:80]}` is no commit id")
            self._fetch(commit, None)
            return commit
        if self._offline:
            raise GitFailed(
                f"{self._url}: offline, and no commit is locked",
                hint="run it once without --offline",
            )
        name, commit = self._asked(reference)
        self._fetch(commit, name)
        return commit

    def _asked(self, reference: str | None) -> tuple[str, str]:
        """Ask the repository what a reference means: its full name and the commit."""
        names = _full_names(reference, self._url)
        patterns = [pattern for name in names for pattern in (name, f"{name}^{{}}")]
        output = Git(self._environment).run(
            "ls-remote", "--", self._url, *patterns, origin=self._url, seconds=NETWORK_SECONDS
        )
        # A pattern also matches the end of longer names: only whole names count.
        told: dict[str, str] = {}
        for line in output.decode("utf-8", "replace").splitlines():
            identifier, _, name = line.partition("\t")
            if _COMMIT.fullmatch(identifier):
                told[name] = identifier
        found = [name for name in names if name in told]
        if len(found) == 1:
            return found[0], told.get(f"{found[0]}^{{}}", told[found[0]])
        shown = reference or "HEAD"
        if found:
            raise NoSuchReference(
                f"{self._url}: `{shown}` is both a branch and a tag",
                hint=f"write @{found[0]} or @{found[1]}",
            )
        shortened = reference is not None and _ABBREVIATED.fullmatch(reference)
        hint = "a commit is named by its whole id" if shortened else None
        raise NoSuchReference(f"{self._url}: there is no branch or tag `{shown}`", hint=hint)

    def _fetch(self, commit: str, name: str | None) -> None:
        """Have ``commit`` in the mirror: as little as the repository gives, else all of it."""
        if self._has(commit):
            return
        if self._offline:
            raise GitFailed(
                f"{self._url}: offline, and the commit {commit} is not in the cache",
                hint="run it once without --offline",
            )
        with self._alone(commit):
            if self._has(commit):
                return
            self._prepare(commit)
            try:
                self._fetch_one(commit)
            except GitFailed as failure:
                self._fetch_all(commit, name, failure)
            self._keep(commit)

    def _has(self, commit: str) -> bool:
        path = self._path(commit)
        if not (path / "HEAD").is_file():
            return False
        wanted = f"refs/spm/{commit}"
        output = self.git(commit).run(
            "for-each-ref", "--format=%(objectname) %(refname)", "--", wanted, origin=self._url
        )
        return output.decode("ascii", "replace").split() == [commit, wanted]

    def _prepare(self, commit: str) -> None:
        """Make the mirror, whole or not at all; remove what an interrupted run left locked."""
        path = self._path(commit)
        if (path / "HEAD").is_file():
            for left in (*path.glob("*.lock"), *path.glob("refs/spm/*.lock")):
                left.unlink(missing_ok=True)
            return
        form = "sha1" if len(commit) == 40 else "sha256"  # noqa: PLR2004 - digits of SHA-1
        try:
            made = tempfile.mkdtemp(prefix="new-", dir=self._cache)
            Git(self._environment).run(
                "init", "--bare", "--quiet", "--template=", f"--object-format={form}", "--", made,
                origin=self._url,
            )  # fmt: skip
            shutil.rmtree(path, ignore_errors=True)
            os.rename(made, path)  # noqa: PTH104 - both are texts
        except OSError as error:
            raise GitFailed(f"{path}: {error.strerror}") from error

    def _fetch_one(self, commit: str) -> None:
        self.git(commit).run(
            "fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head",
            "--no-recurse-submodules", "--no-auto-maintenance", "--",
            self._url, f"+{commit}:refs/spm/part/{commit}",
            origin=self._url, seconds=NETWORK_SECONDS,
        )  # fmt: skip

    def _fetch_all(self, commit: str, name: str | None, failure: GitFailed) -> None:
        """Fetch the history: some servers give no commit by its id."""
        deepen = ["--unshallow"] if (self._path(commit) / "shallow").exists() else []
        wanted = [
            f"+{name}:refs/spm/all/{name}"
            if name is not None
            else "+refs/heads/*:refs/spm/all/refs/heads/*",
            *(["+refs/tags/*:refs/spm/all/refs/tags/*"] if name is None else []),
        ]
        self.git(commit).run(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
            "--no-auto-maintenance", *deepen, "--", self._url, *wanted,
            origin=self._url, seconds=NETWORK_SECONDS,
        )  # fmt: skip
        kind = self.git(commit).run(
            "cat-file", "--batch-check=%(objecttype)", origin=self._url, stdin=commit.encode()
        )
        if kind.strip() != b"commit":
            raise NoSuchReference(
                f"{self._url}: there is no commit {commit} in its branches and tags",
                hint="it may have been removed by a forced push",
            ) from failure

    def _keep(self, commit: str) -> None:
        """Give the commit its reference; only a commit, with its tree, may have one."""
        git = self.git(commit)
        kind = git.run("cat-file", "-t", "--end-of-options", commit, origin=self._url)
        if kind.strip() != b"commit":
            raise NoSuchReference(
                f"{self._url}: {commit} is a {printable(kind.decode())}, no commit"
            )
        git.run("update-ref", "--", f"refs/spm/{commit}", commit, origin=self._url)

    def _path(self, commit: str) -> Path:
        digest = hashlib.sha256(self._url.encode()).hexdigest()[:40]
        return self._cache / f"{digest}{'' if len(commit) == 40 else '-sha256'}.git"  # noqa: PLR2004 - digits of SHA-1

    @contextmanager
    def _alone(self, commit: str) -> Generator[None]:
        """Wait until no other process fetches into this mirror; the system frees the lock."""
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(
                f"{self._path(commit)}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise GitFailed(f"{self._cache}: {error.strerror}") from error
        try:
            while not _locked(descriptor):
                check_still_wanted()
                time.sleep(TURN_SECONDS)
            yield
        finally:
            os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _checked_url(url: str) -> str:
    """Return ``url`` if git can be given it: a known scheme, nothing else it would interpret."""
    plain = url.removeprefix("git+")
    if len(plain) > MAX_URL or not plain.isprintable() or not _URL.fullmatch(plain):
        raise GitRefused(
            f"the address `{printable(url)[:80]}` is not one git may be given",
            hint="use git+https://, git+ssh:// or git+file://",
        )
    authority = plain.partition("://")[2].partition("/")[0]
    if authority.rpartition("@")[2].startswith("-") or authority.startswith("-"):
        raise GitRefused(f"the address `{printable(url)[:80]}` has a host that is an option")
    return plain


def _full_names(reference: str | None, url: str) -> list[str]:
    """Return the full names a reference may have in the repository."""
    if reference is None:
        return ["HEAD"]
    parts = reference.split("/")
    if (
        len(reference) > MAX_REFERENCE
        or not _REFERENCE.fullmatch(reference)
        or not reference.isprintable()
        or reference.startswith(("-", "/"))
        or reference.endswith(("/", "."))
        or ".." in reference
        or "@{" in reference
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
    ):
        shown = printable(reference)[:80]
        raise GitRefused(f"{url}: `{shown}` cannot be the name of a branch or a tag")
    if reference.startswith("refs/") or reference == "HEAD":
        return [reference]
    return [f"refs/tags/{reference}", f"refs/heads/{reference}"]
