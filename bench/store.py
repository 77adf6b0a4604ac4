"""The store beside what a disk and `cp` do: run `python bench/store.py [--json]`.

Each pair runs interleaved on fresh folders, several times; the ratio is that of the
medians. Cold: adding skills with the durability `batch`, beside writing the same files
plainly and syncing each. Warm: linking the stored skills into a new project, look-up
and import included, beside `cp -r` of them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from spm_spec.tree import FileEntry
from spm_store.store import Store

FILES = 10
FILE_BYTES = 5 * 1024

WARM = """
import sys
from time import perf_counter
start = perf_counter()
from pathlib import Path
from spm_spec.digests import Digest
from spm_store.layout import link_skill
from spm_store.shelves import shelve
from spm_store.store import Store
root, project, *digests = sys.argv[1:]
store = Store.open(Path(root))
paths = store.paths_of([Digest.parse(text) for text in digests])
for tree in paths.values():
    link_skill(shelve(tree, "1.0.0"), Path(project, tree.name[65:]))
print(perf_counter() - start)
"""


def skills(count: int) -> list[tuple[FileEntry, ...]]:
    return [
        tuple(
            FileEntry(f"part{number % 3}/file{number}.md", os.urandom(FILE_BYTES))
            for number in range(FILES)
        )
        for _ in range(count)
    ]


def add(root: Path, content: list[tuple[FileEntry, ...]]) -> float:
    start = perf_counter()
    with Store.open(root) as store, store.transaction() as transaction:
        for number, files in enumerate(content):
            transaction.add(files, name=f"skill-{number}")
    return perf_counter() - start


def write_plainly(root: Path, content: list[tuple[FileEntry, ...]]) -> float:
    start = perf_counter()
    for number, files in enumerate(content):
        for file in files:
            path = root / f"skill-{number}" / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as stream:
                stream.write(file.data)
                stream.flush()
                os.fsync(stream.fileno())
    return perf_counter() - start


def link_all(store: Store, project: Path) -> float:
    digests = [str(tree.digest) for tree in store.trees()]
    command = [sys.executable, "-c", WARM, str(store.root), str(project), *digests]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def copy_all(store: Store, project: Path) -> float:
    start = perf_counter()
    subprocess.run(["cp", "-r", str(store.root / "trees"), str(project)], check=True)
    return perf_counter() - start


def measure(folder: Path, count: int, rounds: int) -> dict[str, float]:
    content = skills(count)
    times: dict[str, list[float]] = {name: [] for name in ("add", "plain", "link", "copy")}
    for turn in range(rounds):
        here = folder / str(turn)
        times["add"].append(add(here / "v1", content))
        times["plain"].append(write_plainly(here / "plain", content))
        with Store.open(here / "v1") as store:
            link_all(store, here / "first")  # the first project makes the shelves for all
            times["link"].append(link_all(store, here / "linked"))
            times["copy"].append(copy_all(store, here / "copied"))
    medians = {f"{name}_seconds": statistics.median(taken) for name, taken in times.items()}
    return {
        "skills": count,
        **{name: round(value, 4) for name, value in medians.items()},
        "cold_times_faster_than_plain_fsync": round(
            medians["plain_seconds"] / medians["add_seconds"], 1
        ),
        "warm_times_faster_than_cp": round(medians["copy_seconds"] / medians["link_seconds"], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--skills", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="spm-bench-", dir=options.folder))
    try:
        result = measure(folder, options.skills, options.rounds)
    finally:
        shutil.rmtree(folder)
    if options.json:
        print(json.dumps(result))
        return
    print(f"{result['skills']} skills of {FILES} files, {FILES * FILE_BYTES // 1024} KiB each")
    print(
        f"cold  add {result['add_seconds']:.3f} s"
        f"   plain files with fsync {result['plain_seconds']:.3f} s"
        f"   {result['cold_times_faster_than_plain_fsync']} times faster"
    )
    print(
        f"warm  link {result['link_seconds']:.3f} s"
        f"   cp -r {result['copy_seconds']:.3f} s"
        f"   {result['warm_times_faster_than_cp']} times faster"
    )


if __name__ == "__main__":
    main()
