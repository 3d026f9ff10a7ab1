from __future__ import annotations

from matrix.plan.cells import Cell, VersionSet
from matrix.plan.plan import Plan, RunSettings
from matrix.running.forecast import EnvironmentForecast, Forecast
from reports import plan_text


def forecast_of(plan: Plan, **more: object) -> Forecast:
    given = {
        "plan": plan,
        "trials": 3,
        "done": 1,
        "skipped": {"no CUDA device": 1},
        "to_run": 1,
        "environments": [],
        "bytes_each": 2e9,
        "bytes_basis": "a guess",
        "seconds": 30.0,
        "seconds_basis": "limits",
        "at_once": 1,
    }
    return Forecast(**{**given, **more})  # type: ignore[arg-type]


def plan_of(count: int = 1, **run: object) -> Plan:
    sets = [VersionSet(f"set-{n}", ("torch", f"numpy=={n}"), "3.11") for n in range(count)]
    cells = tuple(Cell({"versions": one.name}, one, (), one.name) for one in sets)
    settings = RunSettings(**run)  # type: ignore[arg-type]
    return Plan("Mine", {"versions": tuple(one.name for one in sets)}, cells, settings, constraints=("a == 1",))


def test_everything_that_the_sweep_takes_is_said() -> None:
    plan = plan_of(2)
    environments = [
        EnvironmentForecast(cell.versions, 1, size) for cell, size in zip(plan.cells, (None, 10**9), strict=True)
    ]
    assert plan_text.text(forecast_of(plan, environments=environments)) == (
        "Mine: nothing was started\n"
        "\n"
        "versions  set-0, set-1\n"
        "only      a == 1\n"
        "\n"
        "cells         2 (full design)\n"
        "trials        3: 1 ran already, 1 to run\n"
        "skipped here  1: no CUDA device\n"
        "environments  2, 1 of them there already\n"
        "              - set-0: Python 3.11, torch, numpy==0 (1 cell)\n"
        "              - set-1: Python 3.11, torch, numpy==1 (1 cell, built: 1.0 GB)\n"
        "disk          2.0 GB at most (2.0 GB for each that is to be built, a guess)\n"
        "time          about 30 s, environments not counted (by limits)"
    )


def test_a_python_that_is_not_here_is_named() -> None:
    assert "to be had     Python 3.9, 3.12: not on" in plan_text.text(
        forecast_of(plan_of(), pythons_missing=["3.9", "3.12"])
    )


def test_long_lists_are_counted_and_not_listed() -> None:
    plan = plan_of(30)
    environments = [EnvironmentForecast(cell.versions, 1, None) for cell in plan.cells]
    text = plan_text.text(forecast_of(plan, environments=environments))
    assert "set-19, and 10 more" in text
    assert "- and 10 more" in text
    assert "set-25" not in text


def test_an_adaptive_design_has_no_number_of_trials() -> None:
    text = plan_text.text(forecast_of(plan_of(design="adaptive"), to_run=9))
    assert "trials        1 ran already, 9 more at most" in text


def test_long_times_are_in_long_units() -> None:
    assert "about 2.5 h, 4 at once" in plan_text.text(forecast_of(plan_of(), seconds=9000.0, at_once=4))
    assert "about 3.0 d" in plan_text.text(forecast_of(plan_of(), seconds=3 * 86400.0))
