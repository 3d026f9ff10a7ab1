from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from matrix.errors import MatrixError
from matrix.plan.plan import Plan
from matrix.results import export
from matrix.results.observation import Observation, Outcome
from matrix.results.store import Record, Store, read_records
from probes.verdicts import Verdict

SLOW = Observation(
    Outcome.RAN,
    verdict=Verdict.SLOW_PHASE,
    phase="train",
    step=2048,
    wall_s=15.5,
    phases={"train": {"count": 1}},
    summary='stands, "as it were"\nfor long',
)


@pytest.fixture
def records(tmp_path: Path, plan: Plan) -> list[Record]:
    with Store(tmp_path / "sweep.sqlite") as store:
        store.add(plan.trials[0], SLOW)
        store.add(plan.trials[7], Observation(Outcome.SKIPPED, "no CUDA device"))
    return read_records(tmp_path / "sweep.sqlite")


def test_a_table_has_a_column_for_each_factor(records: list[Record], plan: Plan) -> None:
    table = export.table(records, plan.factors)
    assert table["env"] == ["dummy", "v3"]
    assert table["versions"] == ["old", "new"]
    assert table["verdict"] == ["slow-phase", None]
    assert table["outcome"] == ["ran", "skipped"]
    assert table["signature"] == ["slow-phase in train", None]
    assert "gamma" not in table  # alike in all
    assert {len(column) for column in table.values()} == {2}


def test_a_factor_whose_name_is_taken_gets_another() -> None:
    record = Record("1", "c", {"phase": 3, "Step": 4, "env": "x"}, 0, 0, SLOW)
    table = export.table([record], record.factors)
    assert (table["factor_phase"], table["factor_Step"], table["phase"]) == ([3], [4], ["train"])


def test_what_differs_without_being_a_factor_gets_a_column() -> None:
    records = [Record(str(n), "c", {"env": "x", "gamma": n / 10}, 0, 0, SLOW) for n in range(2)]
    assert export.table(records, ["env"])["gamma"] == [0.0, 0.1]


def test_csv_is_read_again_as_it_was(records: list[Record], plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "new" / "sweep.csv"
    export.write(export.table(records, plan.factors), path, "csv")
    with path.open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert (first["env"], first["step"], first["wall_s"], first["summary"]) == ("dummy", "2048", "15.5", SLOW.summary)
    assert json.loads(first["phases"]) == SLOW.phases
    assert second["verdict"] == ""
    assert [item.name for item in path.parent.iterdir()] == ["sweep.csv"]


def test_parquet_keeps_the_types(records: list[Record], plan: Plan, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    mixed = [
        Record("1", "c", {"clip": 0.2, "bars": True}, 0, 0, SLOW),
        Record("2", "c", {"clip": "none", "bars": False}, 0, 0, SLOW),
    ]
    export.write(export.table([*records, *mixed], ("clip", "bars")), tmp_path / "sweep.parquet", "parquet")
    table = parquet.read_table(tmp_path / "sweep.parquet").to_pydict()
    assert table["step"] == [2048, None, 2048, 2048]
    assert table["bars"] == [False, False, True, False]
    assert table["clip"] == [None, None, "0.2", "none"]  # one column, one type


def test_without_pyarrow_it_is_said_what_helps(
    records: list[Record], plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MatrixError, match=r"pip install 'freezelab\[parquet\]', or use --format csv"):
        export.write(export.table(records, plan.factors), tmp_path / "out" / "sweep.parquet", "parquet")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(records: list[Record], plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "taken.csv").mkdir()
    with pytest.raises(MatrixError, match=r"taken\.csv: can't be written.*--to"):
        export.write(export.table(records, plan.factors), tmp_path / "taken.csv", "csv")


def test_an_empty_sweep_is_a_table_without_rows(plan: Plan, tmp_path: Path) -> None:
    for kind in export.KINDS:
        if kind == "parquet":
            pytest.importorskip("pyarrow")
        export.write(export.table([], plan.factors), tmp_path / f"sweep.{kind}", kind)
    assert len((tmp_path / "sweep.csv").read_text().splitlines()) == 1
