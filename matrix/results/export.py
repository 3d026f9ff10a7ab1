"""A sweep's observations as one table in a file: a row for each trial, a column for each factor."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matrix.errors import MatrixError
from matrix.results.observation import Observation
from matrix.results.store import Record, factor_columns

Table = Mapping[str, Sequence[Any]]
"""Column to values, all of one length; None is unknown."""

_BEFORE = ("id", "cell", "seed", "repeat")
_SIGNATURE = "signature"


def table(records: Sequence[Record], factors: Iterable[str]) -> Table:
    """
    The records in columns: what names a trial, its factors, what was observed.

    :param factors: those of the plan; whatever else differs between trials gets a column, too.
    """
    names = [field.name for field in dataclasses.fields(Observation)]
    # Trials of one sweep may differ in more than its factors: extra cells do.
    varying = _varying(records)
    columns = factor_columns(dict.fromkeys((*factors, *varying)), (*_BEFORE, *names, _SIGNATURE))
    found: dict[str, Sequence[Any]] = {name: [getattr(record, name) for record in records] for name in _BEFORE}
    found |= {column: [record.factors.get(factor) for record in records] for factor, column in columns.items()}
    found |= {name: [_plain(getattr(record.observation, name)) for record in records] for name in names}
    found[_SIGNATURE] = [record.observation.signature for record in records]
    return found


def write(values: Table, path: Path, kind: str) -> None:
    """
    Writes the table; the file is complete or not there.

    :param kind: one of :data:`KINDS`.
    :raises MatrixError: it can't be written, or the library for it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    growing = path.with_name(f".{path.name}.part")
    try:
        KINDS[kind](values, growing)
        growing.replace(path)
    except OSError as error:
        raise MatrixError(f"{path}: can't be written: {error.strerror or error}; name another with --to") from error
    finally:
        growing.unlink(missing_ok=True)


def _write_csv(values: Table, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(values)
        # What is unknown is empty; true and false as in JSON and in the sweep's own file.
        writer.writerows([_word(value) for value in row] for row in zip(*values.values(), strict=True))


def _write_parquet(values: Table, path: Path) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError as error:
        raise MatrixError(
            f"parquet needs pyarrow, which is not installed ({error}); "
            "pip install 'freezelab[parquet]', or use --format csv"
        ) from error
    columns = {name: pa.array(_of_one_type(column)) for name, column in values.items()}
    pyarrow.parquet.write_table(pa.table(columns), path)


KINDS: Mapping[str, Callable[[Table, Path], None]] = {"csv": _write_csv, "parquet": _write_parquet}
"""Formats, and what writes them."""


def _varying(records: Iterable[Record]) -> list[str]:
    seen: dict[str, set[str]] = {}
    for record in records:
        for name, level in record.factors.items():
            seen.setdefault(name, set()).add(json.dumps(level))
    return [name for name, levels in seen.items() if len(levels) > 1]


def _plain(value: Any) -> Any:
    """Objects as JSON; names of outcomes and verdicts as text."""
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    return value.value if hasattr(value, "value") else value


def _word(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _of_one_type(column: Sequence[Any]) -> Sequence[Any]:
    """Levels of one factor may be of several types, a column's values may not: then all are text."""
    kinds = {type(value) for value in column if value is not None}
    if len(kinds) <= 1 or kinds == {int, float}:
        return column
    return [None if value is None else str(_word(value)) for value in column]
