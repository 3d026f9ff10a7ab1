from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from matrix.analysis.analysis import STORE_FILE
from matrix.environments.cache import UvEnvironments
from matrix.environments.interface import CellEnvironment
from matrix.executors import usable_cores
from matrix.plan.plan import Plan
from matrix.results.observation import Observation, Outcome
from matrix.results.store import Store
from matrix.running import devices, forecast
from matrix.running.forecast import Forecast
from probes.verdicts import Verdict

PlanOf = Callable[[str], Plan]


@pytest.fixture(autouse=True)
def two_cores_and_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "usable_cores", lambda: (0, 1))
    monkeypatch.setattr(devices, "gpus", lambda *_: ())


@pytest.fixture
def ahead(tmp_path: Path) -> Callable[..., Forecast]:
    """Looks ahead in a folder of its own, and finds that nothing was made."""

    def look(plan: Plan, **options: object) -> Forecast:
        out, cache = tmp_path / "sweep", tmp_path / "envs"
        before = sorted(tmp_path.rglob("*"))
        found = forecast.forecast(plan, out, cache=cache, **options)  # type: ignore[arg-type]
        assert sorted(tmp_path.rglob("*")) == before
        return found

    return look


Ahead = Callable[..., Forecast]


def ran(plan: Plan, out: Path, walls_s: list[float]) -> None:
    out.mkdir(exist_ok=True)
    with Store(out / STORE_FILE) as store:
        for trial, wall_s in zip(plan.trials, walls_s, strict=False):
            store.add(trial, Observation(Outcome.RAN, verdict=Verdict.HEALTHY, wall_s=wall_s))


def test_before_anything_ran_the_limits_are_the_time(plan: Plan, ahead: Ahead) -> None:
    found = ahead(plan)
    assert (found.trials, found.done, found.to_run, found.skipped) == (8, 0, 8, {})
    assert found.seconds == 8 * plan.run.limit_s / 2
    assert "upper bound" in found.seconds_basis
    assert found.at_once == 2


def test_jobs_threads_and_timing_decide_how_many_run_at_once(plan_of: PlanOf, sweep_text: str, ahead: Ahead) -> None:
    assert ahead(plan_of(sweep_text), jobs=1).at_once == 1
    assert ahead(plan_of(f"{sweep_text}[run]\nthreads_per_cell = 2\n")).at_once == 1
    assert ahead(plan_of(f"{sweep_text}[run]\ntiming = 'alone'\n")).at_once == 1
    assert ahead(plan_of(f"{sweep_text}[run]\ntiming = 'shared'\njobs = 4\nlimit_s = 10\n")).seconds == 20


def test_costs_that_are_told_count_instead_of_limits(plan_of: PlanOf, sweep_text: str, ahead: Ahead) -> None:
    found = ahead(plan_of(f"{sweep_text}[costs]\nadapter = 30\n[run]\nexpected_s = 10\n"))
    assert found.seconds == (8 * 10 + 4 * 30) / 2
    assert found.seconds_basis == "expected_s and [costs]"


def test_earlier_trials_count_more_than_what_was_told(plan: Plan, ahead: Ahead, tmp_path: Path) -> None:
    ran(plan, tmp_path / "sweep", [10.0, 30.0])
    found = ahead(plan)
    assert (found.done, found.to_run) == (2, 6)
    assert found.seconds == 6 * 20 / 2
    assert found.seconds_basis == "earlier trials of this sweep"


def test_a_fresh_start_forgets_them(plan: Plan, ahead: Ahead, tmp_path: Path) -> None:
    ran(plan, tmp_path / "sweep", [10.0])
    assert ahead(plan, fresh=True).done == 0


def test_what_this_machine_lacks_is_skipped_and_needs_no_environment(plan_of: PlanOf, ahead: Ahead) -> None:
    found = ahead(
        plan_of(
            'constraints = [\'device == "cuda" implies versions == "new"\', '
            '\'device == "cpu" implies versions == "old"\']\n'
            '[factors]\nversions = ["old", "new"]\ndevice = ["cpu", "cuda"]\n'
            '[versions.old]\nrequirements = ["tiny==1.0"]\n[versions.new]\nrequirements = ["tiny==2.0"]\n'
        )
    )
    assert found.skipped == {devices.NO_CUDA: 1}
    assert found.to_run == 1
    assert [one.versions.name for one in found.environments] == ["old"]


def test_an_adaptive_design_runs_no_more_than_it_may(plan_of: PlanOf, sweep_text: str, ahead: Ahead) -> None:
    found = ahead(plan_of(f"{sweep_text}[run]\ndesign = 'adaptive'\nmax_trials = 20\nlimit_s = 10\n"))
    assert (found.to_run, found.seconds) == (20, 100)
    assert ahead(plan_of(f"{sweep_text}[run]\ndesign = 'adaptive'\nbudget_s = 7\n")).seconds == 7


def test_environments_that_are_there_take_no_more_room(
    plan: Plan, ahead: Ahead, tmp_path: Path, uv_environments: UvEnvironments
) -> None:
    first = ahead(plan)
    assert (first.to_build, first.bytes) == (2, 2 * forecast.ENVIRONMENT_BYTES)
    assert "a guess" in first.bytes_basis
    versions = plan.cells[0].versions
    built = uv_environments.provide(versions, None, lambda: False)
    assert isinstance(built, CellEnvironment)
    ran(plan, tmp_path / "sweep", [])
    with Store(tmp_path / "sweep" / STORE_FILE) as store:
        store.add_lock(versions, built.lock)
    found = ahead(plan)
    old, new = found.environments
    assert old.bytes
    assert new.bytes is None
    assert (found.to_build, found.bytes) == (1, old.bytes)


def test_a_python_that_is_not_here_is_told(
    plan_of: PlanOf, sweep_text: str, ahead: Ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "has_python", lambda version: version == "3.11")
    factors = sweep_text.replace("[factors]", '[factors]\npython = ["3.11", "3.99"]')
    assert ahead(plan_of(factors)).pythons_missing == ["3.99"]


def test_no_uv_finds_a_python_of_the_far_future() -> None:
    assert not forecast.has_python("3.99")
    assert forecast.has_python(f"{sys.version_info.major}.{sys.version_info.minor}")


def test_all_of_it_is_one_document(plan: Plan, ahead: Ahead) -> None:
    document = ahead(plan).to_json()
    assert document["schema"] == "freezelab.forecast/1"
    assert document["cells"] == 8
    assert document["trials"] == {"all": 8, "done": 0, "skipped": {}, "to_run": 8}
    assert [one["requirements"] for one in document["environments"]] == [["tiny==1.0"], ["tiny==2.0"]]


def test_the_machine_s_own_cores_count(plan: Plan, ahead: Ahead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "usable_cores", usable_cores)
    assert 1 <= ahead(plan).at_once <= len(usable_cores())
