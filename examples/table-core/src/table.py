"""Tables in CSV: read, typed, selected and sorted."""

from __future__ import annotations

import csv as reader
import io

SEPARATORS = ",;\t"


def parse(csv: str, limit: int | None = None) -> dict[str, object]:
    """Return the columns with their types, and up to ``limit`` rows with numbers as numbers."""
    names, rows = _read(csv)
    kinds = [_kind([row[place] for row in rows]) for place in range(len(names))]
    shown = rows if limit is None else rows[:limit]
    return {
        "columns": [{"name": name, "type": kind} for name, kind in zip(names, kinds, strict=True)],
        "rows": [
            {name: _value(cell, kind) for name, kind, cell in zip(names, kinds, row, strict=True)}
            for row in shown
        ],
        "count": len(rows),
    }


def select(
    csv: str,
    columns: list[str] | None = None,
    where: dict[str, str] | None = None,
    sort: str | None = None,
    descending: bool = False,  # noqa: FBT001, FBT002  # the caller names it
) -> str:
    """Return the table as CSV with the chosen columns and rows, sorted if asked."""
    names, rows = _read(csv)
    for column, wanted in (where or {}).items():
        place = _place(names, column)
        rows = [row for row in rows if row[place] == wanted]
    if sort is not None:
        place = _place(names, sort)
        numeric = _kind([row[place] for row in rows]) == "number"
        rows.sort(
            key=lambda row: (row[place] == "", float(row[place] or 0) if numeric else row[place]),
            reverse=descending,
        )
    places = [_place(names, column) for column in columns or names]
    output = io.StringIO()
    writer = reader.writer(output, lineterminator="\n")
    writer.writerow([names[place] for place in places])
    writer.writerows([[row[place] for place in places] for row in rows])
    return output.getvalue()


def _read(csv: str) -> tuple[list[str], list[list[str]]]:
    """Return the names and the rows; every row has as many cells as there are names."""
    first = csv.partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    lines = [line for line in reader.reader(io.StringIO(csv), delimiter=separator) if line]
    if not lines:
        message = "the table is empty: its first row must name the columns"
        raise ValueError(message)
    names = [name.strip() for name in lines[0]]
    if len(set(names)) != len(names):
        message = f"two columns have one name: {', '.join(names)}"
        raise ValueError(message)
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(names):
            message = f"row {number} has {len(line)} cells, the table has {len(names)} columns"
            raise ValueError(message)
    return names, [[cell.strip() for cell in line] for line in lines[1:]]


def _place(names: list[str], column: str) -> int:
    if column not in names:
        message = f"there is no column `{column}`; there are {', '.join(names)}"
        raise ValueError(message)
    return names.index(column)


def _kind(cells: list[str]) -> str:
    filled = [cell for cell in cells if cell]
    try:
        for cell in filled:
            float(cell)
    except ValueError:
        return "text"
    return "number" if filled else "text"


def _value(cell: str, kind: str) -> object:
    if kind == "text":
        return cell
    if not cell:
        return None
    number = float(cell)
    return int(number) if number.is_integer() else number
