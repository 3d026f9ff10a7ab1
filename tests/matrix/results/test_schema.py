"""Stores of earlier versions: read as they are, brought up to date before they are written to."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from matrix.plan.plan import Plan
from matrix.results import schema
from matrix.results.observation import Observation, Outcome
from matrix.results.store import Store, read_records
from probes.verdicts import Verdict

VERSION_1 = """
CREATE TABLE trials (
    id TEXT PRIMARY KEY, cell TEXT NOT NULL, factors TEXT NOT NULL, seed INTEGER NOT NULL, repeat INTEGER NOT NULL,
    outcome TEXT NOT NULL, reason TEXT, verdict TEXT, signature TEXT, phase TEXT, step INTEGER, culprit TEXT,
    culprit_file TEXT, library TEXT, cause TEXT, exception TEXT, signal TEXT, heap_message TEXT, summary TEXT,
    confidence REAL, observed_s REAL, detected_after_s REAL, phases TEXT NOT NULL, wall_s REAL, started_at TEXT,
    lock TEXT, folder TEXT
);
CREATE TABLE locks (
    versions TEXT PRIMARY KEY, id TEXT NOT NULL, python TEXT NOT NULL, text TEXT NOT NULL, resolved_at TEXT NOT NULL
);
PRAGMA user_version=1;
"""
"""As FreezeLab 0.1 made it: written down here, so that no change of the code changes it, too."""


@pytest.fixture
def old(tmp_path: Path, plan: Plan) -> Path:
    """A store of version 1 with one trial."""
    path = tmp_path / "sweep.sqlite"
    trial = plan.trials[0]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(f"PRAGMA journal_mode=WAL; {VERSION_1}")
        connection.execute(
            "INSERT INTO trials (id, cell, factors, seed, repeat, outcome, verdict, phase, phases, wall_s, folder)"
            " VALUES (?, ?, ?, 0, 0, 'ran', 'slow-phase', 'train', ?, 15.5, 'cells/1')",
            (trial.id, trial.cell.id, json.dumps(dict(trial.cell.levels)), json.dumps({"train": {"count": 1}})),
        )
    return path


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def columns_of(path: Path) -> list[tuple[str, str, int]]:
    with closing(sqlite3.connect(path)) as connection:
        return [(row[1], row[2], row[3]) for row in connection.execute("PRAGMA table_info(trials)")]


EARLIER = Observation(
    Outcome.RAN,
    verdict=Verdict.SLOW_PHASE,
    phase="train",
    phases={"train": {"count": 1}},
    wall_s=15.5,
    folder="cells/1",
)


def test_an_old_store_is_read_without_being_changed(old: Path) -> None:
    (record,) = read_records(old)
    assert record.observation == EARLIER
    assert version_of(old) == 1


def test_a_store_that_is_written_to_is_brought_up_to_date_with_all_that_is_in_it(old: Path, plan: Plan) -> None:
    with Store(old) as store:
        assert [trial.id for trial in store.missing(plan.trials)] == [trial.id for trial in plan.trials[1:]]
        store.add(plan.trials[1], Observation(Outcome.RAN, verdict=Verdict.HEALTHY, host="here", artifacts={"a": "b"}))
    assert version_of(old) == schema.VERSION
    first, second = read_records(old)
    assert first.observation == EARLIER
    assert (second.observation.host, second.observation.artifacts) == ("here", {"a": "b"})


def test_a_store_that_was_brought_up_to_date_is_as_a_new_one(old: Path, tmp_path: Path) -> None:
    Store(old).__exit__()
    Store(tmp_path / "new.sqlite").__exit__()
    assert columns_of(old) == columns_of(tmp_path / "new.sqlite")


def test_a_migration_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_STEPS", (VERSION_1, "ALTER TABLE trials ADD COLUMN host TEXT; nonsense;"))
    before = columns_of(old)
    with closing(sqlite3.connect(old)) as connection, pytest.raises(sqlite3.Error):
        schema.migrate(connection, 1)
    assert (columns_of(old), version_of(old)) == (before, 1)


@pytest.fixture
def flat(tmp_path: Path, plan: Plan) -> Iterator[sqlite3.Connection]:
    with Store(tmp_path / "sweep.sqlite") as store:
        store.name_factors(["env", "it's", "phase"])
        store.name_factors([*plan.factors, "phase", 'od"d', "it's", "a.b"])
        for trial in plan.trials:
            store.add(trial, Observation(Outcome.RAN, verdict=Verdict.HEALTHY, phase="train"))
    with closing(sqlite3.connect(tmp_path / "sweep.sqlite")) as connection:
        yield connection


def test_pandas_reads_a_column_for_each_factor(flat: sqlite3.Connection) -> None:
    table = pd.read_sql("select * from flat", flat)
    assert set(table["env"]) == {"dummy", "v3"}
    assert set(table["versions"]) == {"old", "new"}
    assert set(table["phase"]) == {"train"}
    assert table["factor_phase"].isna().all()  # no cell has such a level
    counts = pd.read_sql("select env, verdict, count(*) as n from flat group by 1, 2", flat)
    assert counts.to_dict("records") == [
        {"env": "dummy", "verdict": "healthy", "n": 4},
        {"env": "v3", "verdict": "healthy", "n": 4},
    ]
