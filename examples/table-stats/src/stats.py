"""Numbers about columns of a CSV table."""

from __future__ import annotations

import csv as reader
import io
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HOW: dict[str, Callable[[list[float]], float]] = {
    "count": len,
    "sum": sum,
    "mean": statistics.fmean,
    "median": statistics.median,
    "min": min,
    "max": max,
}


def describe(csv: str, column: str) -> dict[str, object]:
    """Return what can be said about one column; empty cells are counted apart."""
    cells = [row[column] for row in _rows(csv, column)]
    numbers = list(_numbers(cells, column))
    result: dict[str, object] = {
        "column": column,
        "count": len(numbers),
        "missing": len(cells) - len(numbers),
    }
    if numbers:
        result |= {
            "sum": _short(sum(numbers)),
            "min": _short(min(numbers)),
            "max": _short(max(numbers)),
            "mean": _short(statistics.fmean(numbers)),
            "median": _short(statistics.median(numbers)),
            "deviation": _short(statistics.stdev(numbers)) if len(numbers) > 1 else 0,
        }
    return result


def group(csv: str, by: str, column: str, how: str = "sum") -> dict[str, float]:
    """Return one number for each value of ``by``, in the order the values appear."""
    if how not in HOW:
        message = f"`{how}` is none of {', '.join(HOW)}"
        raise ValueError(message)
    groups: dict[str, list[str]] = {}
    for row in _rows(csv, by, column):
        groups.setdefault(row[by], []).append(row[column])
    found = {value: list(_numbers(cells, column)) for value, cells in groups.items()}
    return {
        value: _short(HOW[how](numbers))
        for value, numbers in found.items()
        if numbers or how == "count"
    }


def _rows(csv: str, *columns: str) -> list[dict[str, str]]:
    table = reader.DictReader(io.StringIO(csv), restval="")
    names = table.fieldnames or []
    for column in columns:
        if column not in names:
            message = f"there is no column `{column}`; there are {', '.join(names) or 'none'}"
            raise ValueError(message)
    return list(table)


def _numbers(cells: Iterable[str], column: str) -> Iterable[float]:
    for number, cell in enumerate(cells, 2):
        text = cell.strip()
        if not text:
            continue
        try:
            yield float(text)
        except ValueError:
            message = f"row {number} of `{column}` is `{text[:40]}`, not a number"
            raise ValueError(message) from None


def _short(number: float) -> float:
    rounded = round(number, 6)
    return int(rounded) if rounded == int(rounded) else rounded
