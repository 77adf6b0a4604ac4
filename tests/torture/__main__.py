"""Installers, collectors, verifiers and a repairer at once on one store, killed at random.

``python -m tests.torture [--seconds 60] [--minutes N] [--seed N] [--folder F]``: 8 installers,
2 collectors, 2 verifiers and 1 repairer, as processes, against one store and several projects,
any of them killed by SIGKILL at any moment and started again. Exits with 1 if anything was seen
that must not be. Ends every process it started, and leaves nothing in the folder.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
from pathlib import Path

from spm_store.durable import Disk, remove_tree
from tests.torture.run import Run
from tests.torture.world import World

IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def main() -> int:
    """Run, and say what happened."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    parser.add_argument("--folder", type=Path, default=IN_MEMORY, help="on the disk to torture")
    chosen = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="spm-torture-", dir=chosen.folder)
    try:
        world = World(Path(folder) / "world")
        world.make()
        outcome = Run(world, chosen.seed).run(chosen.minutes * 60 or chosen.seconds)
    finally:
        remove_tree(Disk(), folder)
    print(outcome.text())  # noqa: T201 - its answer
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
