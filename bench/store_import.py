"""The most memory an import takes: one archive of many skills, in a process of its own.

    python bench/store_import.py [--megabytes N] [--folder F] [--json]

The archive is of random bytes, so that it is as large as what it holds. It is made in
another process: a process begins with its parent's peak, so this one stays small.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stored_skills import PYTHON, add_folder_option, fresh_folder
from timing import Figure, Used, parser, report, used

if TYPE_CHECKING:
    from pathlib import Path

EXPORT = """
import os, sys
from pathlib import Path
from spm_spec.tree import FileEntry
from spm_store.store import Store
root, target, megabytes = sys.argv[1:]
digests = []
with Store.open(Path(root), durability="none") as store:
    for number in range(int(megabytes) // 10):
        files = [FileEntry(f"part-{part}", os.urandom(1_000_000)) for part in range(6)]
        files.append(FileEntry("large", os.urandom(4_000_000)))
        tree = store.add(files, name=f"bench-{number}")
        digests.append(tree.digest)
    with open(target, "wb") as file:
        store.export(dict.fromkeys(digests, None), file.write)
print(len(digests))
"""

IMPORT = """
import sys
from pathlib import Path
from spm_store.store import Store
root, source = sys.argv[1:]
with Store.open(Path(root)) as store, open(source, "rb") as file:
    print(len(store.import_bundle(file.read, origin=source)))
"""


def main() -> None:
    """Export, import into an empty store, print the peak."""
    making = parser(__doc__ or "", runs=1)
    making.add_argument("--megabytes", type=int, default=250)
    add_folder_option(making)
    asked = making.parse_args()
    with fresh_folder(asked.folder) as root:
        bundle = root / "bundle"
        made = _python(EXPORT, root / "one" / "v1", bundle, str(asked.megabytes))
        runs = [
            _python(IMPORT, root / f"other-{turn}" / "v1", bundle) for turn in range(asked.runs)
        ]
        bare = used([PYTHON, "-c", "pass"])
        if any(run.output != made.output for run in runs):
            message = f"{made.output.strip()} trees went in"
            raise SystemExit(message)
        size = bundle.stat().st_size
    seconds = sorted(run.seconds for run in runs)[len(runs) // 2]
    figures = [
        Figure(
            f"peak memory of importing {size / 1e6:.0f} MB",
            max(run.peak for run in runs) / 1e6,
            "MB",
            "< 128",
            f"python -c pass has {bare.peak / 1e6:.0f} MB; {seconds:.1f} s in all",
        ),
        Figure("peak memory of exporting it", made.peak / 1e6, "MB", "", "it made the files"),
    ]
    report(figures, as_json=asked.json)


def _python(code: str, root: Path, bundle: Path, *more: str) -> Used:
    return used([PYTHON, "-c", code, os.fspath(root), os.fspath(bundle), *more])


if __name__ == "__main__":
    main()
