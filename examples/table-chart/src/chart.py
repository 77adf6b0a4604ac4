"""Bar charts of a CSV table, as text and as SVG."""

from __future__ import annotations

import csv as reader
import io
from html import escape

EIGHTHS = " ▏▎▍▌▋▊▉"
BAR_HEIGHT, GAP, LABEL_WIDTH, CHART_WIDTH = 22, 8, 120, 360


def bars(csv: str, label: str, value: str, width: int = 40) -> str:
    """Return one line a row: its label, a bar as long as its value, and the value."""
    rows = _rows(csv, label, value)
    longest = max((len(name) for name, _ in rows), default=0)
    most = max((number for _, number in rows), default=0) or 1
    return "".join(
        f"{name.ljust(longest)} {_bar(number / most * width)} {number:g}\n" for name, number in rows
    )


def svg(csv: str, label: str, value: str, title: str = "") -> str:
    """Return a picture that stands by itself: no scripts, no fonts, no links."""
    rows = _rows(csv, label, value)
    most = max((number for _, number in rows), default=0) or 1
    top = 30 if title else GAP
    height = top + len(rows) * (BAR_HEIGHT + GAP)
    width = LABEL_WIDTH + CHART_WIDTH + 80
    size = f'width="{width}" height="{height}" font-family="sans-serif" font-size="13"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>']
    if title:
        parts.append(f'<text x="8" y="20" font-weight="bold">{escape(title)}</text>')
    for place, (name, number) in enumerate(rows):
        y = top + place * (BAR_HEIGHT + GAP)
        length = number / most * CHART_WIDTH
        parts += [
            f'<text x="{LABEL_WIDTH - 6}" y="{y + 16}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LABEL_WIDTH}" y="{y}" width="{length:.1f}" height="{BAR_HEIGHT}"/>',
            f'<text x="{LABEL_WIDTH + length + 6:.1f}" y="{y + 16}">{number:g}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _bar(length: float) -> str:
    whole, part = divmod(round(length * 8), 8)
    return "█" * whole + EIGHTHS[part].strip()


def _rows(csv: str, label: str, value: str) -> list[tuple[str, float]]:
    table = reader.DictReader(io.StringIO(csv))
    names = table.fieldnames or []
    for column in (label, value):
        if column not in names:
            message = f"there is no column `{column}`; there are {', '.join(names) or 'none'}"
            raise ValueError(message)
    rows: list[tuple[str, float]] = []
    for number, row in enumerate(table, 2):
        try:
            amount = float(row[value] or 0)
        except ValueError:
            message = f"row {number} of `{value}` is `{row[value][:40]}`, not a number"
            raise ValueError(message) from None
        if amount < 0:
            message = f"row {number} of `{value}` is {amount:g}; bars begin at zero"
            raise ValueError(message)
        rows.append((row[label], amount))
    return rows
