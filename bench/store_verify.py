"""`verify` beside `b3sum` on large files, and its CPU time a file on small ones.

python bench/store_verify.py [--runs N] [--megabytes N] [--files N] [--folder F] [--json]
"""

from __future__ import annotations

import os
import statistics
from functools import partial
from typing import TYPE_CHECKING

from stored_skills import PYTHON, add_folder_option, fill, fresh_folder
from timing import (
    TIMES,
    Figure,
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
from spm_store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEGABYTE = 1 << 20
LARGE = 8 * MEGABYTE
FILES_OF_A_SKILL = 10
SMALL = 2000

VERIFY = """
import sys
from pathlib import Path
from time import perf_counter, process_time
import sqlite3, blake3, threading, concurrent.futures
import spm_store.verify
from spm_store.store import Store
root, jobs = sys.argv[1:]
clock, cpu = perf_counter(), process_time()
with Store.open(Path(root)) as store:
    damage = store.verify(jobs=int(jobs))
print(perf_counter() - clock, process_time() - cpu)
sys.exit(bool(damage))
"""

LOAD = """
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from spm_store.store import Store
taken = []
with Store.open(Path(sys.argv[1])) as store:
    digest = next(iter(store.trees())).digest
    for _ in range(300):
        start = perf_counter()
        with store.pinned(digest, "benchmark"):
            pass
        taken.append(perf_counter() - start)
print(median(taken))
"""
MEDIAN_SKILL = 5000
"""Bytes of each of its ten files."""


def main() -> None:
    """Measure both kinds of store, and a load."""
    making = parser(__doc__ or "", runs=5)
    making.add_argument("--megabytes", type=int, default=256, help="of large files")
    making.add_argument("--files", type=int, default=10_000, help="how many small ones")
    add_folder_option(making)
    asked = making.parse_args()
    cores = len(os.sched_getaffinity(0))
    with fresh_folder(asked.folder) as root:
        large, small = root / "large" / "v1", root / "small" / "v1"
        _fill_large(large, asked.megabytes)
        fill(small, asked.files // FILES_OF_A_SKILL, files=FILES_OF_A_SKILL, size=SMALL)
        figures = [
            *(_against_b3sum(large, jobs, asked.runs) for jobs in sorted({1, cores})),
            *(_a_small_file(small, jobs, asked.runs) for jobs in sorted({1, cores})),
            _a_load(root / "one" / "v1"),
        ]
    report(figures, as_json=asked.json)


def _fill_large(root: Path, megabytes: int) -> None:
    with Store.open(root, durability="none") as store:
        for number in range(max(1, megabytes * MEGABYTE // LARGE)):
            files = [FileEntry("SKILL.md", b"%d" % number), FileEntry("data", os.urandom(LARGE))]
            store.add(files, name=f"large-{number}")


def _against_b3sum(root: Path, jobs: int, runs: int) -> Figure:
    name, unit = (
        f"verify files of {LARGE // MEGABYTE} MiB, {jobs} threads",
        f"{TIMES} b3sum's speed",
    )
    peer = program("b3sum", "b3sum")
    if peer is None:
        return Figure(name, None, unit, "≥ 0.7", "the peer is not on this machine")
    paths = [str(path) for path in _large_files(root)]
    words = [peer, "--num-threads", str(jobs), *paths]
    taken = interleaved(
        {"spm": partial(_verified, root, jobs), "b3sum": lambda _: timed(lambda: used(words))},
        runs,
    )
    detail = f"{milliseconds('spm', taken['spm'])}; {milliseconds('b3sum', taken['b3sum'])}"
    return Figure(name, ratio(taken["b3sum"], taken["spm"]), unit, "≥ 0.7", detail)


def _large_files(root: Path) -> Iterator[Path]:
    """Each large file once, as the trees have it."""
    return root.glob("trees/*/data")


def _verified(root: Path, jobs: int, _: int) -> float:
    return _run(root, jobs)[0]


def _run(root: Path, jobs: int) -> tuple[float, float]:
    """How long one verification took, and its CPU time, without Python's start."""
    seconds, cpu = used([PYTHON, "-c", VERIFY, str(root), str(jobs)]).output.split()
    return float(seconds), float(cpu)


def _a_small_file(root: Path, jobs: int, runs: int) -> Figure:
    taken = [_run(root, jobs) for _ in range(runs)]
    count = sum(1 for path in root.glob("trees/*/**/*") if path.is_file())
    cpu = statistics.median(cpu for _, cpu in taken) / count * 1e6
    clock = statistics.median(seconds for seconds, _ in taken)
    return Figure(
        f"verify {count} files of {SMALL} bytes, {jobs} threads, CPU a file",
        cpu,
        "µs",
        "< 60",
        f"{clock * 1e3:.0f} ms on the clock; its blob counts with it",
    )


def _a_load(root: Path) -> Figure:
    fill(root, 1, files=FILES_OF_A_SKILL, size=MEDIAN_SKILL)
    seconds = float(used([PYTHON, "-c", LOAD, str(root)]).output)
    name = f"pin and verify a skill of {FILES_OF_A_SKILL} files, 50 KB"
    return Figure(name, seconds * 1e3, "ms", "< 1", "the median of 300 in one process")


if __name__ == "__main__":
    main()
