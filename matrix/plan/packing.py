"""
Cells as columns: 100,000 cells that differ in a few levels are a few lists of small numbers.

A column is ``{"name": …, "value": …}`` where all rows have the same, else ``{"name": …, "values": […], "rows": […]}``
with the place of each row's value in ``values``; -1 is a row that has none.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from matrix.plan.cells import Cell, VersionSet

Column = dict[str, Any]
_ABSENT = object()


def pack_cells(cells: Sequence[Cell]) -> dict[str, Any]:
    """The cells as JSON; :func:`unpack_cells` reads it."""
    sets = list(dict.fromkeys(cell.versions for cell in cells))
    numbers = {versions: number for number, versions in enumerate(sets)}
    return {
        "count": len(cells),
        "sets": [dataclasses.asdict(versions) for versions in sets],
        "set": _column("", [numbers[cell.versions] for cell in cells]),
        "why": _column("", [cell.why for cell in cells]),
        "levels": _named([cell.levels for cell in cells]),
        "environ": _named([cell.environ for cell in cells]),
        # Words: in labels and arguments, cells differ in a few of many.
        "label": _placed([cell.label.split(" ") for cell in cells]),
        "arguments": _placed([cell.arguments for cell in cells]),
        "command": _placed([cell.command or () for cell in cells]),
    }


def unpack_cells(value: Mapping[str, Any]) -> tuple[Cell, ...]:
    """
    Reads what :func:`pack_cells` wrote.

    :raises KeyError, TypeError, IndexError, ValueError: it did not write that.
    """
    count = int(value["count"])
    sets = [VersionSet(**{**one, "requirements": tuple(one["requirements"])}) for one in value["sets"]]
    return tuple(
        Cell(levels, sets[number], arguments, " ".join(label), why, environ, command or None)
        for number, why, levels, environ, label, arguments, command in zip(
            _values(value["set"], count),
            _values(value["why"], count),
            _mappings(value["levels"], count),
            _mappings(value["environ"], count),
            _words(value["label"], count),
            _words(value["arguments"], count),
            _words(value["command"], count),
            strict=True,
        )
    )


def _named(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    names = dict.fromkeys(itertools.chain.from_iterable(rows))
    return [_column(name, [row.get(name, _ABSENT) for row in rows]) for name in names]


def _placed(rows: Sequence[Sequence[str]]) -> list[Column]:
    places = itertools.zip_longest(*rows, fillvalue=_ABSENT)
    return [_column(str(place), column) for place, column in enumerate(places)]


def _column(name: str, column: Sequence[Any]) -> Column:
    # With their types: 1, 1.0 and true are equal, but not the same level.
    typed = list(zip(map(type, column), column, strict=True))
    distinct = [key for key in dict.fromkeys(typed) if key[1] is not _ABSENT]
    if len(distinct) == 1 and (object, _ABSENT) not in typed:
        return {"name": name, "value": distinct[0][1]}
    places = {key: place for place, key in enumerate(distinct)}
    return {"name": name, "values": [value for _, value in distinct], "rows": [places.get(key, -1) for key in typed]}


def _values(column: Column, count: int) -> Iterable[Any]:
    if "value" in column:
        return itertools.repeat(column["value"], count)
    values = [*column["values"], _ABSENT]
    if len(column["rows"]) != count:
        raise ValueError(f"column {column['name']!r} has {len(column['rows'])} rows, not {count}")
    return [values[place] for place in column["rows"]]


def _mappings(columns: Sequence[Column], count: int) -> Iterator[dict[str, Any]]:
    names = [column["name"] for column in columns]
    for row in _rows(columns, count):
        yield {name: value for name, value in zip(names, row, strict=True) if value is not _ABSENT}


def _words(columns: Sequence[Column], count: int) -> Iterator[tuple[str, ...]]:
    for row in _rows(columns, count):
        yield tuple(word for word in row if word is not _ABSENT)


def _rows(columns: Sequence[Column], count: int) -> Iterable[tuple[Any, ...]]:
    if not columns:
        return itertools.repeat((), count)
    return zip(*(_values(column, count) for column in columns), strict=True)
