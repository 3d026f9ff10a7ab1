from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from repro.bars import Bars, BarsError
from repro.bars_file import load_bars
from repro.market import synthetic_market

from .conftest import Row, rows_of, write_csv

FIELDS = ("timestamps", "open", "high", "low", "close", "volume")
quick = settings(max_examples=40, deadline=None, database=None)
Damage = Callable[[list[Row]], Any]


def write_parquet(path: Path, rows: list[Row]) -> Path:
    parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture
def rows() -> list[Row]:
    """Four minutes before a night and six after it, two shares."""
    return rows_of(synthetic_market(seed=1, n_minutes=396))[2 * 386 :]


@pytest.fixture(params=["csv", "parquet"])
def load(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[list[Row]], Bars]:
    """Writes rows in one of the formats and reads them back."""
    write = {"csv": write_csv, "parquet": write_parquet}[request.param]
    return lambda rows: load_bars(write(tmp_path / f"bars.{request.param}", rows))


def same(first: Bars, second: Bars) -> bool:
    return first.symbols == second.symbols and all(
        np.array_equal(getattr(first, name), getattr(second, name)) for name in FIELDS
    )


@quick
@given(seed=st.integers(0, 10_000), n_minutes=st.integers(1, 400), format_=st.sampled_from(["csv", "parquet"]))
def test_what_is_written_is_read_back(
    seed: int, n_minutes: int, format_: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bars = synthetic_market(seed, n_minutes)
    path = tmp_path_factory.mktemp("bars") / f"bars.{format_}"
    (write_csv if format_ == "csv" else write_parquet)(path, rows_of(bars))
    assert same(load_bars(path), bars)


def test_rows_may_be_sorted_by_share_first(rows: list[Row], load: Callable[[list[Row]], Bars]) -> None:
    assert same(load(rows[::2] + rows[1::2]), load(rows))


def test_the_share_that_comes_first_in_the_file_is_the_first_share(
    rows: list[Row], load: Callable[[list[Row]], Bars]
) -> None:
    assert load(rows[1::2] + rows[::2]).symbols == ("MSFT", "NVDA")


def test_columns_may_come_in_any_order_and_others_are_ignored(
    rows: list[Row], load: Callable[[list[Row]], Bars]
) -> None:
    assert same(load([{"note": "x", **dict(reversed(row.items()))} for row in rows]), load(rows))


def test_times_with_an_offset_are_turned_into_utc(rows: list[Row], load: Callable[[list[Row]], Bars]) -> None:
    plain = load(rows)
    for suffix, hours in (("Z", 0), ("+00:00", 0), ("-05:00", 5)):
        moved = load([{**row, "timestamp": f"{row['timestamp']}{suffix}"} for row in rows])
        assert same(moved, replace(plain, timestamps=plain.timestamps + np.timedelta64(hours * 3600, "s")))


@pytest.mark.parametrize("kind", [pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("ms", "America/New_York")])
def test_parquet_timestamps_of_any_unit_are_read(kind: pa.DataType, rows: list[Row], tmp_path: Path) -> None:
    plain = load_bars(write_parquet(tmp_path / "plain.parquet", rows))
    table = pa.Table.from_pylist(rows)
    times = table.column("timestamp").cast(pa.timestamp("s")).cast(kind)
    parquet.write_table(table.set_column(0, "timestamp", times), tmp_path / "typed.parquet")
    assert same(load_bars(tmp_path / "typed.parquet"), plain)


def test_a_byte_order_mark_and_blank_lines_are_no_matter(rows: list[Row], tmp_path: Path) -> None:
    path = write_csv(tmp_path / "bars.csv", rows)
    plain = load_bars(path)
    path.write_text("\ufeff" + path.read_text().replace("\n", "\n\n"), encoding="utf-8")
    assert same(load_bars(path), plain)


def drop(*names: str) -> Damage:
    return lambda rows: [row.pop(name) for row in rows for name in names]


def put(row: int, column: str, value: object) -> Damage:
    """Rows count from 1."""
    return lambda rows: rows[row - 1].update({column: value})


def remove(*places: int) -> Damage:
    return lambda rows: [rows.pop(place - 1) for place in sorted(places, reverse=True)]


DAMAGE: dict[str, tuple[Damage, str]] = {
    "columns missing": (drop("volume", "symbol"), "missing columns: symbol, volume (found 'timestamp', 'open'"),
    "not a time": (put(5, "timestamp", "noon"), "row 5, column 'timestamp': 'noon' is not a time like 2024-01-02"),
    "no time": (put(5, "timestamp", None), "row 5, column 'timestamp': '' is not a time"),
    "not a minute": (put(5, "timestamp", "2024-01-02T15:58:30"), "row 5, column 'timestamp': '2024-01-02T15:58:30' is"),
    "no symbol": (put(3, "symbol", None), "row 3, column 'symbol': is empty"),
    "NaN": (put(7, "close", float("nan")), "row 7, column 'close': is missing or NaN"),
    "missing": (put(7, "volume", None), "row 7, column 'volume': is missing or NaN"),
    "infinite": (put(8, "high", float("inf")), "row 8, column 'high': is infinite"),
    "price of zero": (put(2, "low", 0.0), "row 2, column 'low': is 0, must be above 0"),
    "negative price": (put(2, "open", -3.0), "row 2, column 'open': is -3, must be above 0"),
    "negative volume": (put(4, "volume", -1.0), "row 4, column 'volume': is -1, must be 0 or more"),
    "high too low": (put(6, "high", 1.0), "row 6, column 'high': is 1, must not be below open or close"),
    "low too high": (put(6, "low", 9999.0), "row 6, column 'low': is 9999, must not be above open or close"),
    "one share has a gap": (remove(4), "gap: MSFT has no bar at 2024-01-02T15:57:00, the other share has"),
    "both have a gap": (remove(11, 12), "gap: no bars between 2024-01-03T09:30:00 and 2024-01-03T09:32:00"),
    "two gaps": (remove(11, 12, 20), "gap: no bars between 2024-01-03T09:30:00"),
    "a share is missing": (
        lambda rows: rows.__setitem__(slice(None), rows[::2]),
        "1 symbols ('NVDA'), must be exactly 2",
    ),
    "one share too many": (put(9, "symbol", "AAPL"), "3 symbols ('NVDA', 'MSFT', 'AAPL'), must be exactly 2"),
    "unsorted": (lambda rows: rows.reverse(), "row 3 is earlier than row 1: each share's rows must go up in time"),
    "duplicate": (lambda rows: rows.insert(3, dict(rows[1])), "row 4 repeats the timestamp of row 2"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_told_in_one_line_with_its_place(
    case: str, rows: list[Row], load: Callable[[list[Row]], Bars]
) -> None:
    damage, says = DAMAGE[case]
    damage(rows)
    with pytest.raises(BarsError) as caught:
        load(rows)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_number_that_is_none_is_told_with_its_place(rows: list[Row], tmp_path: Path) -> None:
    rows[4]["open"] = "12,5"
    with pytest.raises(BarsError, match=r"row 5, column 'open': '12,5' is not a number"):
        load_bars(write_csv(tmp_path / "bars.csv", rows))


def test_a_row_with_too_few_cells_is_told(rows: list[Row], tmp_path: Path) -> None:
    path = write_csv(tmp_path / "bars.csv", rows)
    path.write_text(path.read_text() + "2024-01-03T09:36:00,NVDA\n")
    with pytest.raises(BarsError, match="row 21 has 2 cells, the header has 7"):
        load_bars(path)


def test_a_column_that_is_there_twice_is_told(rows: list[Row], tmp_path: Path) -> None:
    path = write_csv(tmp_path / "bars.csv", [{**row, "again": 1} for row in rows])
    path.write_text(path.read_text().replace("again", "close", 1))
    with pytest.raises(BarsError, match="column 'close' is there 2 times"):
        load_bars(path)


def test_parquet_times_of_a_strange_type_are_told(rows: list[Row], tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "bars.parquet", [{**row, "timestamp": 7} for row in rows])
    with pytest.raises(BarsError, match="column 'timestamp' has type int64, must be a timestamp or text"):
        load_bars(path)


def test_parquet_numbers_of_a_strange_type_are_told(rows: list[Row], tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "bars.parquet", [{**row, "open": [1.0]} for row in rows])
    with pytest.raises(BarsError, match=r"row 1, column 'open': \[1\.0\] is not a number"):
        load_bars(path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.csv", None, "can't be read: No such file"),
        ("none.parquet", None, "can't be read: No such file"),
        ("bars.txt", b"", "ends in '.txt', give a file ending in .csv or .parquet"),
        ("bars", b"", "ends in '', give a file"),
        ("empty.csv", b"", "missing columns: timestamp, symbol, open, high, low, close, volume (found no column)"),
        ("header.csv", b"timestamp,symbol,open,high,low,close,volume\n", "too short: there is no row below the header"),
        ("binary.csv", b"\xff\xfe\x00", "is not UTF-8 text"),
        ("quote.csv", b'timestamp,"symbol\n', "is not CSV"),
        ("empty.parquet", b"", "is not readable Parquet"),
        ("text.parquet", b"timestamp,symbol\n" * 9, "is not readable Parquet"),
    ],
)
def test_files_that_are_no_bars_are_told(name: str, content: bytes | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BarsError) as caught:
        load_bars(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").mkdir()
    with pytest.raises(BarsError, match="can't be read: Is a directory"):
        load_bars(tmp_path / "bars.csv")


def test_parquet_without_pyarrow_says_what_to_install(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(tmp_path / "bars.parquet", rows)
    real = builtins.__import__

    def without_pyarrow(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError("no pyarrow")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without_pyarrow)
    with pytest.raises(BarsError, match=r"Parquet needs pyarrow, give CSV or install it here \(no pyarrow\)"):
        load_bars(path)


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    rows = rows_of(synthetic_market(seed=1, n_minutes=30))
    return {
        ".csv": write_csv(folder / "bars.csv", rows).read_bytes(),
        ".parquet": write_parquet(folder / "bars.parquet", rows).read_bytes(),
    }


@settings(quick, max_examples=150)
@given(
    suffix=st.sampled_from([".csv", ".parquet"]),
    cut=st.floats(0, 1) | st.none(),
    changes=st.lists(st.tuples(st.floats(0, 1), st.sampled_from(b'0123456789,."\n\x00\xff- Ze')), max_size=6),
)
def test_random_damage_is_bars_or_an_error_in_one_line(
    suffix: str,
    cut: float | None,
    changes: list[tuple[float, int]],
    whole_files: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    content = bytearray(whole_files[suffix])
    for place, byte in changes:
        content[int(place * (len(content) - 1))] = byte
    if cut is not None:
        del content[int(cut * len(content)) :]
    path = tmp_path_factory.mktemp("damaged") / f"bars{suffix}"
    path.write_bytes(content)
    try:
        said = f"{len(load_bars(path))} minutes"
    except BarsError as error:
        said = str(error)
    assert said
    assert "\n" not in said
