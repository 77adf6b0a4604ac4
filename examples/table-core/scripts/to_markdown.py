#!/usr/bin/env python3
"""Turn CSV on standard input into a Markdown table on standard output."""

from __future__ import annotations

import csv
import sys


def main() -> int:
    """Convert, padding each column to its widest cell."""
    rows = [row for row in csv.reader(sys.stdin) if row]
    if not rows:
        sys.stderr.write("the table is empty\n")
        return 1
    cells = [[cell.strip().replace("|", "\\|") for cell in row] for row in rows]
    columns = range(len(cells[0]))
    widths = [max(3, *(len(row[at]) for row in cells if at < len(row))) for at in columns]
    for number, row in enumerate(cells):
        filled = [*row, *[""] * (len(widths) - len(row))][: len(widths)]
        print("| " + " | ".join(c.ljust(w) for c, w in zip(filled, widths, strict=True)) + " |")
        if number == 0:
            print("| " + " | ".join("-" * width for width in widths) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
