"""A plan that an earlier version wrote is the same plan."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from matrix.plan.plan import Plan

OLD_SETTINGS = ("repeats", "seeds", "jobs", "limit_s", "threads_per_cell", "design")


def as_version_1(plan: Plan) -> dict[str, Any]:
    """What FreezeLab wrote before cells were packed."""
    return {
        "schema": "freezelab.plan/1",
        "name": plan.name,
        "factors": {name: list(levels) for name, levels in plan.factors.items()},
        "cells": [
            {
                "id": cell.id,
                "label": cell.label,
                "levels": dict(cell.levels),
                "versions": {
                    name: getattr(cell.versions, name) for name in ("name", "requirements", "python", "exclude_newer")
                },
                "arguments": list(cell.arguments),
                "why": cell.why,
            }
            for cell in plan.cells
        ],
        "run": {name: getattr(plan.run, name) for name in OLD_SETTINGS},
        "claims": [claim.to_json() for claim in plan.claims],
    }


def test_an_old_plan_has_the_same_cells_and_trials(plan: Plan) -> None:
    read = Plan.from_json(as_version_1(plan))
    assert read.cells == plan.cells
    assert read.factors == plan.factors
    assert [trial.id for trial in read.trials] == [trial.id for trial in plan.trials]
    assert dataclasses.asdict(read.run) == dataclasses.asdict(plan.run)


def test_what_only_says_that_it_is_an_old_plan_is_refused(plan: Plan) -> None:
    broken = as_version_1(plan)
    del broken["cells"][0]["levels"]
    with pytest.raises(ValueError, match="levels"):
        Plan.from_json(broken)
