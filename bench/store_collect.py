"""Collecting garbage: a store of many trees, half of them dead, beside `rm -rf` of as many.

python bench/store_collect.py [--trees N] [--runs N] [--folder F] [--json]
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from stored_skills import (
    PYTHON,
    VERSION,
    add_folder_option,
    fill,
    fresh_folder,
    name_of,
)
from timing import Figure, command, milliseconds, parser, report, timed, used

from spm_store.sets import Shown
from spm_store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from spm_spec.digests import Digest

_PEER_SHARE = 10
"""Copying all for the peer would take longer than all the rest; it gets one in ten."""

COLLECT = """
import sys
from pathlib import Path
from time import perf_counter
from spm_store.store import Store
start = perf_counter()
with Store.open(Path(sys.argv[1])) as store:
    found = store.collect(max_age=0)
    took = perf_counter() - start
    print(took, sum(1 for _ in store.trees()))
"""


def main() -> None:
    """Fill, keep one half, collect the other."""
    making = parser(__doc__ or "", runs=1)
    making.add_argument("--trees", type=int, default=10_000)
    add_folder_option(making)
    asked = making.parse_args()
    taken: list[float] = []
    plain: list[float] = []
    with fresh_folder(asked.folder) as root:
        for turn in range(asked.runs):
            store, project = root / str(turn) / "v1", root / str(turn) / "project"
            project.mkdir(parents=True)
            digests = fill(store, asked.trees)
            _keep_half(store, project, digests)
            plain.append(_removed_plainly(store, root / str(turn) / "copy"))
            command(["sync", "-f", str(root)])()
            taken.append(_collected(store, asked.trees))
    figure = Figure(
        f"collect {asked.trees} trees of which half are dead",
        sorted(taken)[len(taken) // 2],
        "s",
        "< 5",
        milliseconds("rm -rf, from a tenth of the same folders,", plain),
    )
    report([figure], as_json=asked.json)


def _keep_half(root: Path, project: Path, digests: list[Digest]) -> None:
    """Let a project show every second tree."""
    with Store.open(root, durability="none") as store, store.lease("benchmark") as lease:
        kept = [
            Shown(name_of(number), VERSION, digest)
            for number, digest in enumerate(digests)
            if number % 2
        ]
        lease.want(shown.tree for shown in kept)
        shown_set = store.show(kept, lease)
        store.keep(project, {1: shown_set.digest})


def _removed_plainly(root: Path, copy: Path) -> float:
    """How long `rm -rf` takes for copies of the trees that will be collected."""
    copy.mkdir()
    dead = sorted(path for path in (root / "trees").iterdir() if int(path.name[-5:]) % 2 == 0)
    for path in dead[::_PEER_SHARE]:
        shutil.copytree(path, copy / path.name)
    command(["chmod", "-R", "u+w", str(copy)])()
    command(["sync", "-f", str(copy)])()
    return timed(command(["rm", "-rf", str(copy)])) * _PEER_SHARE


def _collected(root: Path, trees: int) -> float:
    seconds, left = used([PYTHON, "-c", COLLECT, str(root)]).output.split()
    if int(left) != trees // 2:
        message = f"{left} trees are left of {trees}"
        raise SystemExit(message)
    return float(seconds)


if __name__ == "__main__":
    main()
