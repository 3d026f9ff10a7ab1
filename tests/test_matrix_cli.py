"""``freezelab matrix status`` and ``matrix export``, as a person calls them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import freezelab
from matrix.plan.cells import Cell, VersionSet
from matrix.plan.plan import Plan, RunSettings
from matrix.results.observation import Observation, Outcome
from matrix.results.store import Store
from probes.verdicts import Verdict
from reports.commands import interface

VERSIONS = VersionSet("old", ("tiny==1.0",), "3.11")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a sweep of two cells, one of which has run."""
    out = tmp_path / "sweep"
    out.mkdir()
    cells = tuple(
        Cell({"versions": "old", "env": env}, VERSIONS, ("--env", env), f"env={env}") for env in ("dummy", "v3")
    )
    plan = Plan("two", {"versions": ("old",), "env": ("dummy", "v3")}, cells, RunSettings())
    plan.save(out / "plan.json")
    with Store(out / "sweep.sqlite") as store:
        store.add(plan.trials[1], Observation(Outcome.RAN, verdict=Verdict.DEADLOCK, phase="collect"))
    return out


def test_status_says_how_far_a_sweep_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert freezelab.main(["matrix", "status", str(folder)]) == interface.EXIT_OK
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "two: not running; the call that started it goes on",
        "done      1 of 2",
        "    1 x  deadlock",
    ]
    assert said.err == ""


def test_status_as_json_is_one_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert freezelab.main(["matrix", "status", str(folder), "--json"]) == interface.EXIT_OK
    status = json.loads(capsys.readouterr().out)
    assert status["schema"] == "freezelab.status/1"
    assert (status["done"], status["total"], status["outcomes"]) == (1, 2, {"deadlock": 1})


def test_export_writes_a_table_and_says_where(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert freezelab.main(["matrix", "export", str(folder)]) == interface.EXIT_OK
    path = Path(capsys.readouterr().out.strip())
    assert path == folder / "sweep.csv"
    with path.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["env"], row["verdict"], row["phase"]) == ("v3", "deadlock", "collect")


def test_export_goes_where_it_is_told(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    to = tmp_path / "new" / "results.parquet"
    arguments = ["matrix", "export", str(folder), "--format", "parquet", "--to", str(to)]
    assert freezelab.main(arguments) == interface.EXIT_OK
    assert to.stat().st_size > 0


@pytest.mark.parametrize("command", ["status", "export"])
def test_a_folder_without_a_sweep_is_bad_input(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert freezelab.main(["matrix", command, str(tmp_path)]) == interface.EXIT_USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert "plan.json" in said.err


@pytest.mark.parametrize("name", ["status", "export"])
def test_a_sweeps_file_may_still_bear_such_a_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("broken = [")
    assert freezelab.main(["matrix", f"./{name}", "--out", "out"]) == interface.EXIT_USAGE
    assert f"{name}: not TOML" in capsys.readouterr().err
