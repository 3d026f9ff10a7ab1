"""The user's own bars from a CSV or Parquet file.

The file is in long format, one row for each share and minute, with a header naming at least

    timestamp, symbol, open, high, low, close, volume

in any order; further columns are ignored. ``timestamp`` is the start of the minute in ISO 8601
(``2024-01-02T09:30:00``), in Parquet also a timestamp column; a time with an offset is turned into UTC, one
without is taken as it is. There are exactly two symbols; the one that comes first in the file is the first
share. Rows of the two may be mixed, but each share's rows are in order of time. Within a calendar day no
minute may be missing; between days anything may.

Rows are counted from 1, without the header and without blank lines.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.bars import N_SHARES, Bars, BarsError, FloatArray

PRICES = ("open", "high", "low", "close")
NUMBERS = (*PRICES, "volume")
COLUMNS = ("timestamp", "symbol", *NUMBERS)

Times = NDArray[np.datetime64]


@dataclass(frozen=True)
class _Table:
    """Rows of the file, checked one by one but not yet against each other."""

    timestamps: Times
    """Type ``datetime64[s]``, shape ``(rows,)``."""
    symbols: list[str]
    numbers: dict[str, FloatArray]
    """Each of `NUMBERS`, shape ``(rows,)``, finite."""


def load_bars(path: Path) -> Bars:
    """Read bars, and check that they are complete.

    :param path: file whose name ends in ``.csv`` or ``.parquet``
    :raises BarsError: in one line: what is wrong, where, and what would be right
    """
    readers = {".csv": _read_csv, ".parquet": _read_parquet}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise BarsError(f"{path.name!r} ends in {path.suffix!r}, give a file ending in .csv or .parquet")
    try:
        table = read(path)
    except OSError as error:
        raise BarsError(f"{str(path)!r} can't be read: {_one_line(error.strerror or error)}") from error
    if not table.symbols:
        raise BarsError("too short: there is no row below the header")
    _check_prices(table)
    return _to_bars(table)


def _read_csv(path: Path) -> _Table:
    # utf-8-sig: spreadsheets put a byte order mark in front of the first column's name.
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            rows = [row for row in csv.reader(file, strict=True) if row]
        except UnicodeDecodeError as error:
            raise BarsError(f"{path.name!r} is not UTF-8 text: {_one_line(error)}") from error
        except csv.Error as error:
            raise BarsError(f"{path.name!r} is not CSV: {_one_line(error)}") from error
    header = [name.strip() for name in rows[0]] if rows else []
    _check_columns(header)
    for place, row in _numbered(rows[1:]):
        if len(row) != len(header):
            raise BarsError(f"row {place} has {len(row)} cells, the header has {len(header)}")
    cells = {name: [row[header.index(name)].strip() for row in rows[1:]] for name in COLUMNS}
    return _table(cells["timestamp"], cells["symbol"], {name: cells[name] for name in NUMBERS})


def _read_parquet(path: Path) -> _Table:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise BarsError(f"Parquet needs pyarrow, give CSV or install it here ({_one_line(error)})") from error
    with path.open("rb") as file:
        try:
            _check_columns(parquet.read_schema(file).names)
            file.seek(0)
            content = parquet.read_table(file, columns=list(COLUMNS))
            columns = {name: content.column(name) for name in COLUMNS}
            plain = {name: column.to_pylist() for name, column in columns.items() if name != "timestamp"}
            times = _parquet_times(columns["timestamp"])
        except BarsError:
            raise
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise BarsError(f"{path.name!r} is not readable Parquet: {_one_line(error)}") from error
    symbols = ["" if symbol is None else str(symbol) for symbol in plain["symbol"]]
    return _table(times, symbols, {name: plain[name] for name in NUMBERS})


def _parquet_times(column: Any) -> list[str]:
    """Times as text, whatever their type in the file; a missing one is empty text."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        # Arrow keeps times that have a zone in UTC, as we want them.
        times = column.cast(pa.timestamp("us", column.type.tz), safe=False).to_numpy()
        return ["" if np.isnat(time) else str(time) for time in times.astype("datetime64[us]")]
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return [text or "" for text in column.to_pylist()]
    raise BarsError(f"column 'timestamp' has type {column.type}, must be a timestamp or text")


def _check_columns(header: list[str]) -> None:
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        found = ", ".join(map(repr, header)) or "no column"
        raise BarsError(f"missing columns: {', '.join(missing)} (found {_short(found)})")
    repeated = [name for name in COLUMNS if header.count(name) > 1]
    if repeated:
        raise BarsError(f"column {repeated[0]!r} is there {header.count(repeated[0])} times, must be there once")


def _table(times: list[str], symbols: list[str], numbers: dict[str, list[Any]]) -> _Table:
    for place, symbol in _numbered(symbols):
        if not symbol:
            raise BarsError(f"row {place}, column 'symbol': is empty, must name the share")
    return _Table(
        timestamps=np.array([_time(text, place) for place, text in _numbered(times)], dtype="datetime64[s]"),
        symbols=symbols,
        numbers={
            name: np.array([_number(value, name, place) for place, value in _numbered(values)], dtype=np.float64)
            for name, values in numbers.items()
        },
    )


def _time(text: str, place: int) -> datetime:
    try:
        # Before Python 3.11 the standard library does not know that Z means UTC, nor fractions of 1 to 5 digits.
        time = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)
        if time.tzinfo is not None:
            time = time.astimezone(timezone.utc).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise BarsError(
            f"row {place}, column 'timestamp': {_short(repr(text))} is not a time like 2024-01-02T09:30:00"
        ) from None
    if time.second or time.microsecond:
        raise BarsError(f"row {place}, column 'timestamp': {text!r} is not a whole minute")
    return time


def _number(value: Any, column: str, place: int) -> float:
    try:
        number = math.nan if value is None or value == "" else float(value)
    except (TypeError, ValueError, OverflowError):
        raise BarsError(f"row {place}, column {column!r}: {_short(repr(value))} is not a number") from None
    if not math.isfinite(number):
        kind = "missing or NaN" if math.isnan(number) else "infinite"
        raise BarsError(f"row {place}, column {column!r}: is {kind}, must be a number")
    return number


def _check_prices(table: _Table) -> None:
    numbers = table.numbers
    for name in PRICES:
        _refuse(numbers[name] <= 0, numbers[name], name, "must be above 0")
    _refuse(numbers["volume"] < 0, numbers["volume"], "volume", "must be 0 or more")
    highest = np.maximum(numbers["open"], numbers["close"])
    lowest = np.minimum(numbers["open"], numbers["close"])
    _refuse(numbers["high"] < highest, numbers["high"], "high", "must not be below open or close")
    _refuse(numbers["low"] > lowest, numbers["low"], "low", "must not be above open or close")


def _refuse(wrong: NDArray[np.bool_], values: FloatArray, column: str, rule: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise BarsError(f"row {row + 1}, column {column!r}: is {values[row]:g}, {rule}")


def _to_bars(table: _Table) -> Bars:
    symbols = list(dict.fromkeys(table.symbols))
    if len(symbols) != N_SHARES:
        found = _short(", ".join(map(repr, symbols)))
        raise BarsError(f"{len(symbols)} symbols ({found}), must be exactly {N_SHARES}")
    names = np.array(table.symbols, dtype=object)
    rows = [np.flatnonzero(names == symbol) for symbol in symbols]
    for share_rows in rows:
        _check_order(table.timestamps, share_rows)
    times = [table.timestamps[share_rows] for share_rows in rows]
    _check_gaps(symbols, times)
    columns = {
        name: np.stack([values[share_rows] for share_rows in rows], axis=1) for name, values in table.numbers.items()
    }
    return Bars(symbols=(symbols[0], symbols[1]), timestamps=times[0], **columns)


def _check_order(timestamps: Times, rows: NDArray[np.intp]) -> None:
    times = timestamps[rows]
    wrong = times[1:] <= times[:-1]
    if wrong.any():
        at = int(wrong.argmax())
        what = "repeats the timestamp of" if times[at + 1] == times[at] else "is earlier than"
        raise BarsError(f"row {rows[at + 1] + 1} {what} row {rows[at] + 1}: each share's rows must go up in time")


def _check_gaps(symbols: list[str], times: list[Times]) -> None:
    """The first gap, in either share or in both, is the one that is told."""
    every = np.union1d(times[0], times[1])
    gaps = []
    for symbol, present in zip(symbols, times, strict=True):
        absent = np.setdiff1d(every, present)
        if len(absent):
            gaps.append((absent[0], f"{symbol} has no bar at {absent[0]}, the other share has"))
    same_day = every[1:].astype("datetime64[D]") == every[:-1].astype("datetime64[D]")
    jumps = same_day & (every[1:] - every[:-1] != np.timedelta64(60, "s"))
    if jumps.any():
        at = int(jumps.argmax())
        gaps.append((every[at], f"no bars between {every[at]} and {every[at + 1]}"))
    if gaps:
        raise BarsError(f"gap: {min(gaps)[1]}; every minute of a day must be there")


def _numbered(values: list[Any]) -> Iterator[tuple[int, Any]]:
    return enumerate(values, start=1)


def _short(text: str) -> str:
    return text if len(text) <= 100 else text[:97] + "..."


def _one_line(error: object) -> str:
    return _short(" ".join(str(error).split()) or type(error).__name__)
