"""Runs one target: from its seeds, for so many seconds, with memory and time bounded."""

from __future__ import annotations

import argparse
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

SECONDS = 180
MEMORY_MEBIBYTES = 1024  # of the whole process: what the fuzzer keeps counts too
INPUT_SECONDS = 10
INPUT_BYTES = 64 * 1024


def targets() -> list[str]:
    """Return the names of the targets."""
    return sorted(
        path.stem.removeprefix("fuzz_") for path in Path(__file__).parent.glob("fuzz_*.py")
    )


def main() -> None:
    """Fuzz until the time is over; what breaks a target is written to a file and shown."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=targets())
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--inputs", type=Path, help="a folder of inputs to go on from")
    asked = parser.parse_args()
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["spm_spec"]):
        target: Any = import_module(f"tests.fuzz.fuzz_{asked.target}")
    with tempfile.TemporaryDirectory() as made:
        inputs = asked.inputs or Path(made)
        for number, seed in enumerate(target.seeds()):
            (inputs / f"seed-{number}").write_bytes(seed)
        options = [
            f"-max_total_time={asked.seconds}",
            f"-rss_limit_mb={MEMORY_MEBIBYTES}",
            f"-timeout={INPUT_SECONDS}",
            f"-max_len={INPUT_BYTES}",
            "-print_final_stats=1",
        ]
        atheris.Setup([f"fuzz_{asked.target}", *options, str(inputs)], target.target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
