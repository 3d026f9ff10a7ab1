"""A sweep's report as JSON keeps its contract, whatever the sweep was about."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from matrix.analysis.analysis import Analysis
from matrix.plan.claims import Claim
from reports.sweep import document as sweep_json
from tests.reports.conftest import failed, healthy, slow

Sweep = Callable[..., tuple[Analysis, Path]]
FACTORS = {"env": ("sea", "hill", "moor"), "adapter": ("off", "on"), "device": ("cpu", "cuda")}
VALIDATOR = jsonschema.Draft202012Validator(sweep_json.schema())


def document(analysis: Analysis) -> Any:
    """As another program reads it."""
    value = json.loads(json.dumps(sweep_json.document(analysis), allow_nan=False))
    VALIDATOR.validate(value)
    return value


def as_measured(levels: dict[str, Any]) -> Any:
    if levels["device"] == "cuda":
        return "no CUDA device"
    return failed() if levels["adapter"] == "on" else slow()


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(sweep_json.schema())


@pytest.mark.parametrize(
    "outcomes",
    [
        as_measured,
        lambda levels: healthy(),
        lambda levels: "no CUDA device",
        lambda levels: slow() if levels["env"] == "hill" else healthy(),
        lambda levels: failed(),
    ],
    ids=["measured", "all healthy", "nothing ran", "one factor", "all fail"],
)
def test_every_kind_of_sweep_fits_it(sweep: Sweep, outcomes: Any) -> None:
    analysis, _ = sweep(
        FACTORS, outcomes, claims=(Claim("it is the adapter", "differs", "adapter"), Claim("it needs a GPU", None))
    )
    document(analysis)


def test_it_says_what_the_report_says(sweep: Sweep) -> None:
    analysis, folder = sweep(FACTORS, as_measured)
    value = document(analysis)
    assert value["outcomes"] == {"skipped: no CUDA device": 6, "exception": 3, "slow-phase": 3}
    assert (value["ran"], value["failed"], value["missing"]) == (6, 6, 0)
    assert {item["verdict"]: item["runs"] for item in value["findings"]} == {"slow-phase": 3, "exception": 3}
    [adapter] = [item for item in value["effects"]["factors"] if item["factor"] == "adapter"]
    assert adapter["pairs_that_differ"] == adapter["pairs"] == 3
    ran = [item for item in value["trials"] if item["outcome"] == "ran"]
    assert all((folder / item["folder"] / "diagnosis.json").exists() for item in ran)
    assert ran[0]["culprit"]["function"] == "_process_sequence"


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({"schema": "freezelab.sweep-report/2"})
