"""What a commit holds, as git lists it, and the files of one skill in it.

Blobs are read by their ids from the object store; nothing is checked out, so no
filter, attribute or hook of the repository has any part in it.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spm.sources.git_process import GitRefused, printable
from spm_spec.tree import DEFAULT_LIMITS, FileEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from spm.sources.git_process import Git
    from spm_spec.tree import Limits

MAX_LINK_BYTES = 4096
MAX_LINK_STEPS = 40
SKILL_FILES: Final = ("SKILL.md", "skill.md", "Skill.md")

_FILE, _EXECUTABLE, _LINK, _SUBMODULE = "100644", "100755", "120000", "160000"
_OLD_FILE = "100664"  # written by very old gits
_LARGE_FILE_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a commit's listing; ``size`` is in bytes, 0 for a submodule."""

    path: str
    mode: str
    identifier: str
    size: int


def list_commit(git: Git, commit: str, origin: str) -> tuple[Entry, ...]:
    """Return everything in ``commit``, in git's order.

    Raises:
        GitRefused: a name is not UTF-8, or the listing is beyond its cap.
    """
    arguments = ("ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", commit)
    listing = git.run(*arguments, origin=origin)
    entries: list[Entry] = []
    for line in listing.split(b"\0"):
        if not line:
            continue
        facts, _, raw = line.partition(b"\t")
        mode, _kind, identifier, size = facts.decode("ascii").split()
        try:
            path = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            shown = printable(raw.decode("utf-8", "replace"))
            raise GitRefused(f"{origin}: the name `{shown}` is not UTF-8") from error
        entries.append(Entry(path, mode, identifier, 0 if size == "-" else int(size)))
    return tuple(entries)


def skill_folders(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Return every folder that holds a skill's file, sorted; the root is the empty text."""
    found = {
        posixpath.dirname(entry.path)
        for entry in entries
        if posixpath.basename(entry.path) in SKILL_FILES and entry.mode != _SUBMODULE
    }
    return tuple(sorted(found))


def skill_files(
    git: Git,
    entries: Sequence[Entry],
    folder: str,
    origin: str,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[FileEntry, ...]:
    """Return the files of the skill in ``folder``, links replaced by what they point to.

    Raises:
        GitRefused: a submodule, a link that leaves the skill, a pointer to large
            file storage, or more than ``limits`` allow.
    """
    prefix = f"{folder}/" if folder else ""
    inside = {
        entry.path[len(prefix) :]: entry for entry in entries if entry.path.startswith(prefix)
    }
    _check(inside.values(), origin, limits)
    links = _link_targets(git, inside, origin)
    chosen = _Links(inside, links, origin, limits).resolved()
    total = sum(entry.size for entry in chosen.values())
    if total > limits.tree_bytes:
        raise GitRefused(f"{origin}: {total} bytes of files, at most {limits.tree_bytes}")
    blobs = _read_blobs(git, {entry.identifier: entry.size for entry in chosen.values()}, origin)
    files: list[FileEntry] = []
    for path, entry in sorted(chosen.items()):
        data = blobs[entry.identifier]
        if data.startswith(_LARGE_FILE_POINTER):
            raise GitRefused(
                f"{origin}: `{printable(path)}` is a pointer to large file storage, not the file",
                hint="commit the file itself",
            )
        files.append(FileEntry(path, data, executable=entry.mode == _EXECUTABLE))
    return tuple(files)


def _check(entries: Iterable[Entry], origin: str, limits: Limits) -> None:
    for count, entry in enumerate(entries, 1):
        shown = printable(entry.path)
        if entry.mode == _SUBMODULE:
            raise GitRefused(
                f"{origin}: `{shown}` is a submodule, its files are not in this repository",
                hint="commit the files themselves, or name the submodule's repository",
            )
        if entry.mode not in {_FILE, _OLD_FILE, _EXECUTABLE, _LINK}:
            raise GitRefused(f"{origin}: `{shown}` has the mode {entry.mode}")
        if count > limits.entries:
            raise GitRefused(f"{origin}: more than {limits.entries} files in the skill")
        if entry.size > limits.file_bytes:
            raise GitRefused(
                f"{origin}: `{shown}` has {entry.size} bytes, at most {limits.file_bytes}"
            )


def _link_targets(git: Git, inside: Mapping[str, Entry], origin: str) -> dict[str, str]:
    links = {path: entry for path, entry in inside.items() if entry.mode == _LINK}
    for path, entry in links.items():
        if entry.size > MAX_LINK_BYTES:
            raise GitRefused(f"{origin}: the link `{printable(path)}` has {entry.size} bytes")
    blobs = _read_blobs(git, {entry.identifier: entry.size for entry in links.values()}, origin)
    return {
        path: blobs[entry.identifier].decode("utf-8", "surrogateescape")
        for path, entry in links.items()
    }


def _read_blobs(git: Git, sizes: Mapping[str, int], origin: str) -> dict[str, bytes]:
    """Read blobs by id in one run; what git answers must be what was listed."""
    if not sizes:
        return {}
    asked = "".join(f"{identifier}\n" for identifier in sizes).encode("ascii")
    most = sum(sizes.values()) + 256 * len(sizes)
    output = git.run("cat-file", "--batch", origin=origin, stdin=asked, most=most)
    blobs: dict[str, bytes] = {}
    place = 0
    for identifier, size in sizes.items():
        header = f"{identifier} blob {size}\n".encode("ascii")
        start = place + len(header)
        if output[place:start] != header or output[start + size : start + size + 1] != b"\n":
            raise GitRefused(f"{origin}: the object {identifier} is not the blob it was listed as")
        blobs[identifier] = output[start : start + size]
        place = start + size + 1
    return blobs


@dataclass(frozen=True, slots=True)
class _Links:
    """The links of a skill, followed inside it and nowhere else."""

    inside: Mapping[str, Entry]
    targets: Mapping[str, str]
    origin: str
    limits: Limits

    def resolved(self) -> dict[str, Entry]:
        """Return path to file, with every link replaced by the file or the files it means."""
        chosen = {path: entry for path, entry in self.inside.items() if path not in self.targets}
        pending = [(path, path) for path in self.targets]
        while pending:
            path, link = pending.pop()
            if path.count("/") >= self.limits.depth:
                raise self._refusal(link, "leads into itself")
            target = self._target(link)
            entry = self.inside.get(target)
            if entry is not None:
                chosen[path] = entry
            else:
                pending.extend(self._expanded(path, link, target, chosen))
            if len(chosen) + len(pending) > self.limits.entries:
                raise self._refusal(link, f"makes more than {self.limits.entries} files")
        return chosen

    def _expanded(
        self, path: str, link: str, target: str, chosen: dict[str, Entry]
    ) -> list[tuple[str, str]]:
        """Choose the files below a linked folder; return the links below it, to be followed."""
        prefix = f"{target}/" if target else ""
        below = [each for each in self.inside if each.startswith(prefix)]
        if not below:
            raise self._refusal(link, "points to nothing")
        if f"{link}/".startswith(prefix):
            raise self._refusal(link, "leads into itself")
        more: list[tuple[str, str]] = []
        for each in below:
            here = f"{path}/{each[len(prefix) :]}"
            if each in self.targets:
                more.append((here, each))
            else:
                chosen[here] = self.inside[each]
        return more

    def _target(self, link: str) -> str:
        """Follow a link, and the links on its way, to a path that is none."""
        steps = 0
        reached: list[str] = link.split("/")[:-1]
        waiting = self._parts(link)
        while waiting:
            part = waiting.pop(0)
            if part == "..":
                if not reached:
                    raise self._refusal(link, "leaves the skill")
                reached.pop()
                continue
            reached.append(part)
            here = "/".join(reached)
            if here in self.targets:
                steps += 1
                if steps > MAX_LINK_STEPS:
                    raise self._refusal(link, "leads into itself")
                reached.pop()
                waiting = self._parts(here) + waiting
        return "/".join(reached)

    def _parts(self, link: str) -> list[str]:
        target = self.targets[link]
        if target.startswith("/") or "\\" in target or "\0" in target:
            raise self._refusal(link, "leaves the skill")
        return [part for part in target.split("/") if part not in {"", "."}]

    def _refusal(self, link: str, why: str) -> GitRefused:
        target = printable(self.targets[link].encode("utf-8", "replace").decode())[:200]
        return GitRefused(
            f"{self.origin}: the link `{printable(link)}` to `{target}` {why}",
            hint="commit the file itself",
        )
