"""The torture for a few seconds; `python -m tests.torture` takes as long as one likes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tortured(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    command = [sys.executable, "-m", "tests.torture", "--folder", str(folder), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_few_seconds_of_everything_at_once_break_nothing_and_leave_nothing(
    tmp_path: Path,
) -> None:
    run = tortured("--seconds", "4", "--seed", "7", folder=tmp_path)

    assert run.stdout.endswith("seed 7: 0 violations\n"), run.stdout
    assert (run.returncode, run.stderr) == (0, "")
    assert re.search(r"^ +[1-9]\d* installed$", run.stdout, re.MULTILINE)
    assert re.search(r"^ +[1-9]\d* killed: installer$", run.stdout, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []
