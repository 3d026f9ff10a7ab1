from __future__ import annotations

import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from matrix.environments.cache import Lock
from matrix.errors import MatrixError
from matrix.plan.plan import Plan
from matrix.results.observation import Observation, Outcome
from matrix.results.store import Store, read_records
from probes.verdicts import Verdict

SLOW = Observation(
    Outcome.RAN, verdict=Verdict.SLOW_PHASE, phase="train", step=2048, culprit="_process_sequence", wall_s=15.6
)


def test_what_was_stored_is_read_again(tmp_path: Path, plan: Plan) -> None:
    with Store(tmp_path / "sweep.sqlite") as store:
        store.add(plan.trials[0], SLOW)
        store.add(plan.trials[1], Observation(Outcome.SKIPPED, "no CUDA device"))
    first, second = read_records(tmp_path / "sweep.sqlite")
    assert first.observation == SLOW
    assert first.factors == dict(plan.trials[0].cell.levels)
    assert second.observation.headline == "skipped: no CUDA device"


def test_only_trials_that_did_not_run_are_missing(tmp_path: Path, plan: Plan) -> None:
    outcomes = list(Outcome)
    with Store(tmp_path / "sweep.sqlite") as store:
        for trial, outcome in zip(plan.trials, outcomes, strict=False):
            store.add(trial, Observation(outcome))
        missing = {trial.id for trial in store.missing(plan.trials)}
    assert missing == {trial.id for trial in plan.trials[1:]}
    assert outcomes[0] is Outcome.RAN


def test_a_later_outcome_takes_the_place_of_an_earlier_one(tmp_path: Path, plan: Plan) -> None:
    with Store(tmp_path / "sweep.sqlite") as store:
        store.add(plan.trials[0], Observation(Outcome.FAILED_TO_START, "no space left"))
        store.add(plan.trials[0], SLOW)
    assert [record.observation for record in read_records(tmp_path / "sweep.sqlite")] == [SLOW]


def test_a_sweep_can_be_read_while_it_is_written(tmp_path: Path, plan: Plan) -> None:
    with Store(tmp_path / "sweep.sqlite") as store:
        store.add(plan.trials[0], SLOW)
        assert len(read_records(tmp_path / "sweep.sqlite")) == 1


def test_pandas_reads_a_row_for_each_trial(tmp_path: Path, plan: Plan) -> None:
    with Store(tmp_path / "sweep.sqlite") as store:
        for trial in plan.trials:
            store.add(trial, SLOW)
    connection = sqlite3.connect(tmp_path / "sweep.sqlite")
    try:
        table = pd.read_sql("select * from trials", connection)
        by_env = pd.read_sql(
            "select json_extract(factors, '$.env') as env, verdict, count(*) as n from trials group by 1, 2", connection
        )
    finally:
        connection.close()
    assert len(table) == len(plan.trials)
    assert set(table["signature"]) == {"slow-phase in train · _process_sequence"}
    assert by_env.to_dict("records") == [
        {"env": "dummy", "verdict": "slow-phase", "n": 4},
        {"env": "v3", "verdict": "slow-phase", "n": 4},
    ]


def test_the_first_lock_of_a_library_set_is_kept(tmp_path: Path, plan: Plan) -> None:
    versions = plan.cells[0].versions
    with Store(tmp_path / "sweep.sqlite") as store:
        assert store.lock(versions) is None
        store.add_lock(versions, Lock("3.11", "tiny==1.0\n"))
        store.add_lock(versions, Lock("3.11", "tiny==1.1\n"))
        assert store.lock(versions) == Lock("3.11", "tiny==1.0\n")


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sweep.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=999")
    connection.close()
    for opening in (Store, read_records):
        with pytest.raises(MatrixError, match=r"newer FreezeLab \(schema 999.*upgrade FreezeLab"):
            opening(path)


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to have a header" * 20, b"SQLite format 3\0"]
)
def test_a_file_that_is_no_store_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sweep.sqlite"
    path.write_bytes(content)
    with pytest.raises(MatrixError, match=r"sweep\.sqlite: "):
        read_records(path)
    with pytest.raises(MatrixError, match=r"sweep\.sqlite: .*--fresh"):
        Store(path)


def test_a_database_of_something_else_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "sweep.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE trials (mine TEXT)")
    connection.close()
    with pytest.raises(MatrixError, match="table trials already exists"):
        Store(path)


def test_a_store_that_is_not_there_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match="no such file"):
        read_records(tmp_path / "sweep.sqlite")
    assert list(tmp_path.iterdir()) == []
