from __future__ import annotations

import json
from pathlib import Path

from matrix.environments.cache import Lock
from matrix.plan.plan import Plan
from matrix.results.store import Store
from matrix.running.recovery import unstored
from matrix.running.trial import CELLS_FOLDER
from probes.diagnosis import Diagnosis, Timing
from probes.verdicts import Verdict

DIAGNOSIS = Diagnosis(Verdict.SPIN, 0.9, "spins", ("python",), Timing(7.5), artifacts={"stdout": "stdout.log"})


def write(out: Path, trial: str, text: str) -> None:
    folder = out / CELLS_FOLDER / trial
    folder.mkdir(parents=True)
    (folder / "diagnosis.json").write_text(text)
    (folder / "meta.json").write_text(json.dumps({"started_at": "2026-11-25T19:00:00+0200"}))


def test_a_trial_whose_diagnosis_is_there_has_ended(tmp_path: Path, plan: Plan) -> None:
    trial = plan.trials[2]
    write(tmp_path, trial.id, json.dumps(DIAGNOSIS.to_json()))
    with Store(tmp_path / "sweep.sqlite") as store:
        lock = Lock("3.11", "tiny==1.0\n")
        store.add_lock(trial.cell.versions, lock)
        ((found, observation),) = unstored(tmp_path, plan.trials, store)
    assert found is trial
    assert observation.verdict is Verdict.SPIN
    assert observation.wall_s == 7.5
    assert observation.started_at == "2026-11-25T17:00:00+00:00"
    assert observation.lock == lock.id
    assert observation.folder == f"cells/{trial.id}"
    assert observation.artifacts == {"stdout": f"cells/{trial.id}/stdout.log"}


def test_a_diagnosis_that_was_cut_off_is_none(tmp_path: Path, plan: Plan) -> None:
    text = json.dumps(DIAGNOSIS.to_json())
    for place, trial in enumerate(plan.trials):
        write(tmp_path, trial.id, text[: len(text) * place // len(plan.trials)])
    with Store(tmp_path / "sweep.sqlite") as store:
        assert list(unstored(tmp_path, plan.trials, store)) == []


def test_folders_of_other_plans_are_left_alone(tmp_path: Path, plan: Plan) -> None:
    write(tmp_path, "0123456789abcdef", json.dumps(DIAGNOSIS.to_json()))
    with Store(tmp_path / "sweep.sqlite") as store:
        assert list(unstored(tmp_path, plan.trials, store)) == []
