"""Adding one skill of many files, beside what other programs do with the same folder.

    python bench/store_add.py [--runs N] [--files N] [--megabytes N] [--folder F] [--json]

Every contender of every round has a fresh place on the same disk, after a `sync` of what
the one before it wrote. The store reads the folder, hashes and writes, in a process of
its own that times itself after its imports; what Python's start adds is printed beside it.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
from functools import partial
from typing import TYPE_CHECKING

from stored_skills import PYTHON, add_folder_option, fresh_folder, text_of, write_tree
from timing import (
    TIMES,
    Figure,
    command,
    interleaved,
    milliseconds,
    parser,
    program,
    ratio,
    report,
    timed,
    used,
)

from spm_spec.tree import FileEntry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ADD = """
import sys
from pathlib import Path
from time import perf_counter
from spm_spec.digests import Digest
from spm_spec.tree import build_tree
from spm_store.folder import iterate_folder
from spm_store.store import Store
import ctypes, sqlite3, spm_store.transaction
how, root, source, durability, expected = sys.argv[1:]
digest = Digest.parse(expected) if expected else None
def files():
    yield from iterate_folder(Path(source))
start = perf_counter()
with Store.open(Path(root), durability=durability) as store:
    tree = store.add(files(), name="bench", expected=digest if how != "reread" else None)
print(perf_counter() - start, tree.digest)
"""


def main() -> None:
    """Measure the contenders, then the tree that is there already."""
    making = parser(__doc__ or "", runs=5)
    making.add_argument("--files", type=int, default=2000)
    making.add_argument("--megabytes", type=float, default=20)
    add_folder_option(making)
    asked = making.parse_args()
    with fresh_folder(asked.folder) as root:
        source = root / "source"
        size = int(asked.megabytes * 1e6 / asked.files)
        write_tree(source, _files(asked.files, size))
        contest = _Contest(root, source)
        taken = interleaved(contest.contenders(), asked.runs, before=_sync(root))
        again = interleaved(contest.repeated(), asked.runs)
        what = f"{asked.files} files / {asked.megabytes:g} MB"
        figures = [*_first_time(what, taken), *_second_time(what, taken, again)]
        figures.append(_beyond(contest))
    report(figures, as_json=asked.json)


def _files(count: int, size: int) -> list[FileEntry]:
    """Files of slightly different sizes in folders of a hundred."""
    return [FileEntry("SKILL.md", b"---\nname: bench\ndescription: x\n---\n")] + [
        FileEntry(f"references/{number // 100:02}/part-{number}.md", text_of(number, size))
        for number in range(1, count)
    ]


def _sync(root: Path) -> Callable[[], None]:
    return command(["sync", "-f", str(root)])


class _Contest:
    """Who takes part, each in a fresh place below ``root``."""

    def __init__(self, root: Path, source: Path) -> None:
        self.root, self.source = root, source
        self.digest = ""
        self.starts: list[float] = []

    def contenders(self) -> dict[str, Callable[[int], float]]:
        found: dict[str, Callable[[int], float]] = {
            "batch": partial(self._ours, "batch"),
            "none": partial(self._ours, "none"),
            "cp": self._cp,
            "cp + sync -f": self._cp_and_sync,
        }
        if program("nix-store", "nix-bin"):
            found["nix-store --add + sync -f"] = self._nix
        if program("git", "git"):
            found["git add, fsync"] = self._git
        return found

    def repeated(self) -> dict[str, Callable[[int], float]]:
        """The same call once more, and with the folder read again and compared."""
        return {"again": partial(self._again, "expected"), "reread": partial(self._again, "reread")}

    def _ours(self, durability: str, turn: int) -> float:
        store = self.root / f"{turn}-{durability}" / "v1"
        return self._add("first", store, durability, self.digest)

    def _again(self, how: str, turn: int) -> float:
        return self._add(how, self.root / f"{turn}-batch" / "v1", "batch", self.digest)

    def _add(self, how: str, store: Path, durability: str, digest: str) -> float:
        words = [PYTHON, "-c", ADD, how, str(store), str(self.source), durability, digest]
        took = used(words)
        seconds, self.digest = took.output.split()
        self.starts.append(took.seconds - float(seconds))
        return float(seconds)

    def _cp(self, turn: int) -> float:
        return timed(command(["cp", "-r", str(self.source), str(self.root / f"{turn}-cp")]))

    def _cp_and_sync(self, turn: int) -> float:
        copy = command(["cp", "-r", str(self.source), str(self.root / f"{turn}-cp-sync")])
        return timed(copy) + timed(_sync(self.root))

    def _nix(self, turn: int) -> float:
        private = self.root / f"{turn}-nix"
        places = {"STORE": "store", "STATE": "var", "LOG": "log", "CONF": "etc"}
        environment = {f"NIX_{key}_DIR": str(private / name) for key, name in places.items()}
        (private / "etc").mkdir(parents=True)
        settings = "build-users-group =\nsandbox = false\nauto-optimise-store = false\n"
        (private / "etc" / "nix.conf").write_text(settings)
        plain = {name: text for name, text in os.environ.items() if name != "NIX_REMOTE"}
        words = ["nix-store", "--add", str(self.source)]
        return timed(command(words, environment=plain | environment)) + timed(_sync(self.root))

    def _git(self, turn: int) -> float:
        repository = self.root / f"{turn}-git"
        command(["git", "init", "-q", "--bare", str(repository)])()
        settled = ["-c", "core.fsync=all", "-c", "core.fsyncMethod=fsync", "-c", "core.bare=false"]
        places = [f"--git-dir={repository}", f"--work-tree={self.source}"]
        return timed(command(["git", *settled, *places, "add", "-A"], folder=self.source))


def _first_time(what: str, taken: dict[str, list[float]]) -> list[Figure]:
    batch, none = taken["batch"], taken["none"]
    nix, git = taken.get("nix-store --add + sync -f"), taken.get("git add, fsync")
    return [
        _against(f"add {what}, batch", batch, "cp + sync -f", taken["cp + sync -f"], "≤ 1.5"),
        _against(f"add {what}, batch", batch, "nix-store --add + sync -f", nix, "≤ 1"),
        _against(f"git add over add {what}, batch", git, "spm, batch", batch, "≥ 2.5"),
        _against(f"add {what}, none", none, "cp", taken["cp"], "≤ 1.3"),
    ]


def _second_time(
    what: str, taken: dict[str, list[float]], again: dict[str, list[float]]
) -> list[Figure]:
    first = taken["batch"]
    return [
        _against(f"first time over again, {what}", first, "again", again["again"], "≥ 8"),
        _against("first time over again, folder read", first, "re-read", again["reread"], ""),
    ]


def _against(
    name: str, ours: list[float] | None, peer: str, theirs: list[float] | None, target: str
) -> Figure:
    unit = f"{TIMES} {peer}"
    if ours is None or theirs is None:
        return Figure(name, None, unit, target, "the peer is not on this machine")
    detail = f"{milliseconds('one', ours)}; {milliseconds(peer, theirs)}"
    return Figure(name, ratio(ours, theirs), unit, target, detail)


def _beyond(contest: _Contest) -> Figure:
    """What a process of its own adds to every figure of ours."""
    start = statistics.median(contest.starts)
    return Figure("Python's start and imports, not in the figures", start * 1e3, "ms")


if __name__ == "__main__":
    if not shutil.which("cp"):
        sys.exit("no `cp`")
    main()
