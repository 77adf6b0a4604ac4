"""A Markdown report about a CSV table."""

from __future__ import annotations

import csv as reader
import io
import statistics

BAR_WIDTH = 24


def report(csv: str, label: str, value: str, title: str | None = None) -> str:
    """Return the report: a summary, a table of groups with shares, and a chart."""
    groups, numbers, missing = _read(csv, label, value)
    if not numbers:
        message = f"no row has a number in `{value}`"
        raise ValueError(message)
    total = sum(numbers)
    ordered = sorted(groups.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"# {title or f'{value} by {label}'}", ""]
    mean, median = statistics.fmean(numbers), statistics.median(numbers)
    lines += [
        f"{len(numbers)} rows with a number, {missing} without.",
        f"Total {total:g}, mean {mean:.4g}, median {median:g}.",
        "",
        f"| {label} | {value} | share |",
        "| --- | ---: | ---: |",
    ]
    for name, amount in ordered:
        share = f"{amount / total:.0%}" if total else ""
        lines.append(f"| {_cell(name)} | {amount:g} | {share} |")
    return "\n".join([*lines, "", "```", *_chart(ordered), "```", ""])


def _read(csv: str, label: str, value: str) -> tuple[dict[str, float], list[float], int]:
    table = reader.DictReader(io.StringIO(csv), restval="")
    names = table.fieldnames or []
    for column in (label, value):
        if column not in names:
            message = f"there is no column `{column}`; there are {', '.join(names) or 'none'}"
            raise ValueError(message)
    groups: dict[str, float] = {}
    numbers: list[float] = []
    missing = 0
    for number, row in enumerate(table, 2):
        text = row[value].strip()
        if not text:
            missing += 1
            continue
        try:
            amount = float(text)
        except ValueError:
            message = f"row {number} of `{value}` is `{text[:40]}`, not a number"
            raise ValueError(message) from None
        numbers.append(amount)
        groups[row[label]] = groups.get(row[label], 0) + amount
    return groups, numbers, missing


def _chart(ordered: list[tuple[str, float]]) -> list[str]:
    longest = max(len(name) for name, _ in ordered)
    most = max((amount for _, amount in ordered), default=0)
    if most <= 0:
        return []
    return [
        f"{name.ljust(longest)} {'█' * round(max(0, amount) / most * BAR_WIDTH)} {amount:g}"
        for name, amount in ordered
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
