from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from matrix.plan.parameters import parameters_from
from matrix.plan.plan import Plan
from matrix.plan.plan_file import load_plan
from matrix.plan.presets import DEFAULT, FULL, preset
from matrix.running.trial import PROGRAM
from repro.options import parse, parser


@pytest.fixture(scope="module", params=[DEFAULT, FULL])
def shipped(request: pytest.FixtureRequest) -> Plan:
    return load_plan(preset(request.param), parameters_from(parser()))


def locks(plan: Plan, package: str) -> Iterator[str]:
    for versions in {cell.versions for cell in plan.cells}:
        yield from (r for r in versions.requirements if r.partition("==")[0] == package)


def test_the_sweeps_that_ship_are_good_plans(shipped: Plan) -> None:
    assert shipped.cells
    assert shipped.claims


def test_every_cell_is_something_that_the_training_program_takes(shipped: Plan) -> None:
    for cell in shipped.cells:
        options = parse([*cell.arguments, "--seed", "0", "--threads", "1"])
        assert options.steps_to_learn == 2 * options.n_steps


def test_every_environment_of_the_report_is_tried(shipped: Plan) -> None:
    assert set(shipped.factors["env"]) == {"dummy", "v3", "original"}


def test_there_is_a_control_without_recurrence(shipped: Plan) -> None:
    assert any(cell.levels["policy"] == "MlpPolicy" for cell in shipped.cells)


def test_the_default_sweep_has_one_torch_and_two_of_everything_else() -> None:
    plan = load_plan(preset(), parameters_from(parser()))
    assert set(locks(plan, "torch")) == {"torch==2.13.0"}
    assert len(set(locks(plan, "stable-baselines3"))) == len(set(locks(plan, "sb3-contrib"))) == 2


def test_the_full_sweep_has_the_torch_releases_of_the_time_and_two_newer_ones() -> None:
    plan = load_plan(preset(FULL), parameters_from(parser()))
    assert {"torch==2.5.1", "torch==2.7.1"} < set(locks(plan, "torch"))
    assert len(set(locks(plan, "torch"))) == 4


def test_an_installed_preset_is_found_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / DEFAULT).touch()
    monkeypatch.setattr("matrix.plan.presets.__file__", str(tmp_path / "plan" / "presets.py"))
    assert preset() == (tmp_path / "presets" / DEFAULT).resolve()


def test_what_a_cell_runs_is_there() -> None:
    assert (PROGRAM / "__main__.py").exists()
