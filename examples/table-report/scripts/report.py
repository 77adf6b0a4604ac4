#!/usr/bin/env python3
"""Write a report about the CSV on standard input: report.py LABEL VALUE [TITLE]."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from report import report  # beside this folder

WITHOUT_TITLE, WITH_TITLE = 3, 4


def main() -> int:
    """Read, report, and say plainly what is wrong with the table."""
    if len(sys.argv) not in {WITHOUT_TITLE, WITH_TITLE}:
        sys.stderr.write("usage: report.py LABEL VALUE [TITLE] < TABLE.csv\n")
        return 2
    try:
        sys.stdout.write(report(sys.stdin.read(), *sys.argv[1:]))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
