"""Installing a lock of many skills that are in the store already, and deciding a no-op.

    python bench/store_install.py [--runs N] [--skills N] [--folder F] [--json]

Each round has a lock of its own (other skills of the same store), so that the first
project of a round shows a set that this machine never showed; the second project has
the same lock. Both stand beside one Python process that makes as many symlinks. From the
second round on, most links of a new set are those of another, as when a lock changes.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from functools import partial
from typing import TYPE_CHECKING

from stored_skills import (
    PYTHON,
    SPM,
    add_folder_option,
    disk_bytes,
    fill,
    fresh_folder,
    settings,
    store_below,
    write_texts,
)
from timing import TIMES, Figure, Used, interleaved, milliseconds, parser, ratio, report, used

if TYPE_CHECKING:
    from pathlib import Path

    from spm_spec.digests import Digest

LINK = """
import os, sys
folder, count = sys.argv[1], int(sys.argv[2])
os.mkdir(folder)
for number in range(count):
    os.symlink(f"/nowhere/{number}", f"{folder}/{number}")
"""


def main() -> None:
    """Fill a store, then install into fresh projects, then decide that nothing is to do."""
    making = parser(__doc__ or "", runs=9)
    making.add_argument("--skills", type=int, default=1000)
    add_folder_option(making)
    asked = making.parse_args()
    with fresh_folder(asked.folder) as root:
        digests = fill(store_below(root), asked.skills + asked.runs)
        contest = _Contest(root, digests, asked.skills)
        contest.prepare(asked.runs)
        taken = interleaved(
            {"links": contest.links, "first": partial(contest.install, "first")},
            asked.runs,
            before=contest.settle,
        )
        second = interleaved(
            {"links": contest.links, "second": partial(contest.install, "second")},
            asked.runs,
            before=contest.settle,
        )
        idle = contest.idle(asked.runs * 2)
        figures = [
            _over_links(f"install {asked.skills} stored skills, first project", taken, "first"),
            _over_links(f"install {asked.skills} stored skills, second project", second, "second"),
            *contest.disk(),
            *_no_op(asked.skills, *idle),
        ]
    report(figures, as_json=asked.json)


class _Contest:
    """Projects ``first-N`` and ``second-N`` of round N, with the same lock."""

    def __init__(self, root: Path, digests: list[Digest], skills: int) -> None:
        self.root, self.skills = root, skills
        self.numbered = list(enumerate(digests))
        self.environment = settings(root)
        self.links_made = 0

    def prepare(self, rounds: int) -> None:
        for turn in range(rounds):
            wanted = self.numbered[turn : turn + self.skills]
            write_texts(self.root / f"first-{turn}", wanted)
            shutil.copytree(self.root / f"first-{turn}", self.root / f"second-{turn}")

    def settle(self) -> None:
        """Wait for the disk, so that nobody pays for what another wrote."""
        used(["sync", "-f", str(self.root)])

    def links(self, _: int) -> float:
        self.links_made += 1
        folder = self.root / f"links-{self.links_made}"
        return used([PYTHON, "-c", LINK, str(folder), str(self.skills)]).seconds

    def install(self, which: str, turn: int) -> float:
        return self._spm(self.root / f"{which}-{turn}").seconds

    def idle(self, runs: int) -> tuple[list[Used], list[Used]]:
        """Runs of an install that has nothing to do, and of a Python that does nothing."""
        ours: list[Used] = []
        bare: list[Used] = []
        for _ in range(runs):
            ours.append(self._spm(self.root / "first-0"))
            bare.append(used([PYTHON, "-c", "pass"], environment=self.environment))
        return ours, bare

    def disk(self) -> list[Figure]:
        """What a second project takes of the disk, beyond its two texts."""
        project = self.root / "second-0"
        texts = sum((project / name).stat().st_size for name in ("skills.toml", "skills.lock"))
        before = disk_bytes(self.root / "data")
        extra = self.root / "extra"
        extra.mkdir()
        for name in ("skills.toml", "skills.lock"):
            shutil.copyfile(project / name, extra / name)
        self._spm(extra)
        grown = disk_bytes(self.root / "data") - before
        detail = f"{texts / 1e6:.2f} MB of it its own skills.toml and skills.lock"
        return [
            Figure("a second project's disk, du -s", disk_bytes(extra) / 1e6, "MB", "< 1", detail),
            Figure("what the store grows by it", grown / 1e6, "MB"),
        ]

    def _spm(self, project: Path) -> Used:
        return used([SPM, "install"], folder=project, environment=self.environment)


def _over_links(name: str, taken: dict[str, list[float]], which: str) -> Figure:
    links, ours = taken["links"], taken[which]
    detail = f"{milliseconds('spm', ours)}; {milliseconds('links', links)}"
    unit = f"{TIMES} Python making as many symlinks"
    return Figure(name, ratio(ours, links), unit, "< 3", detail)


def _no_op(skills: int, ours: list[Used], bare: list[Used]) -> list[Figure]:
    beyond = [one.cpu - other.cpu for one, other in zip(ours, bare, strict=True)]
    cpu = statistics.median(beyond) * 1e3
    wall = statistics.median(
        one.seconds - other.seconds for one, other in zip(ours, bare, strict=True)
    )
    start = statistics.median(run.cpu for run in bare) * 1e3
    return [
        Figure(
            f"no-op install of {skills} skills, CPU beyond Python's start",
            cpu,
            "ms",
            "< 40",
            f"python -c pass takes {start:.0f} ms; {wall * 1e3:.0f} ms more on the clock",
        )
    ]


if __name__ == "__main__":
    if not shutil.which("du"):
        sys.exit("no `du`")
    main()
