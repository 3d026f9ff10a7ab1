"""Runs and sweeps as the reports read them, planted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from matrix.analysis.analysis import Analysis, analyse
from matrix.plan.cells import Cell, VersionSet
from matrix.plan.claims import Claim
from matrix.plan.plan import Plan, RunSettings
from matrix.results.observation import Observation, Outcome, observed
from probes.diagnosis import Alternative, Culprit, Diagnosis, Evidence, Timing
from probes.verdicts import Verdict

POLICIES = "/env/lib/python3.11/site-packages/sb3_contrib/common/recurrent/policies.py"


def slow(step: int = 2048) -> Diagnosis:
    """An update that takes eight times as long as the rollout before it."""
    return Diagnosis(
        verdict=Verdict.SLOW_PHASE,
        confidence=0.99,
        summary=f"Not hung but slow: the step count stands still at step {step}.",
        command=("python", "train.py", "--env", "<b>x</b>"),
        timing=Timing(
            observed_s=40.0,
            detected_after_s=8.0,
            phases={"train": {"count": 2, "total_s": 31.0, "max_s": 16.0}},
            iterations=tuple({"step": step * n, "collect_s": 2.0, "train_s": 16.0, "minibatches": 320} for n in (1, 2)),
        ),
        phase="train",
        step=step,
        culprit=Culprit("_process_sequence", POLICIES, 198, "sb3_contrib.common.recurrent.policies", "sb3_contrib"),
        cause="recurrent-update-loop",
        evidence=(
            Evidence("step-stands-still", 4.6, "the count stood still", detail={"steps": [step, 2 * step]}),
            Evidence(
                "samples",
                4.6,
                "samples were taken",
                detail={
                    "below": "train",
                    "samples": 100,
                    "rows": [{"function": "_process_sequence", "place": "policies.py:198", "share": 0.42}],
                    "stack": ["train  ppo.py:1", "_process_sequence  policies.py:198"],
                },
            ),
        ),
        alternatives=(Alternative(Verdict.HEALTHY, -5.5, "a module ran step by step"),),
        environment={"training": {"recurrent_modules": {"lstm_actor": {"batch_first": False}}}},
    )


def failed(step: int = 2048) -> Diagnosis:
    """An update that is refused."""
    error = {
        "type": "RuntimeError",
        "message": "Expected hidden[0] size (1, 64, 256), got [1, 1, 256]",
        "frames": [{"function": "_process_sequence", "file": POLICIES, "line": 190}],
    }
    return Diagnosis(
        verdict=Verdict.EXCEPTION,
        confidence=1.0,
        summary="The run ended by RuntimeError.",
        command=("python", "train.py"),
        timing=Timing(observed_s=5.0, phases={"train": {"count": 1, "total_s": 0.1, "max_s": 0.1}}),
        phase="train",
        step=step,
        culprit=Culprit("_process_sequence", POLICIES, 190, None, "sb3_contrib"),
        cause="lstm-batch-first",
        evidence=(Evidence("uncaught-exception", 5.0, "RuntimeError", detail=error),),
        alternatives=(Alternative(Verdict.CRASH, -9.0, "it ended by itself"),),
        environment={"training": {"recurrent_modules": {"lstm_actor": {"batch_first": True}}}},
    )


def healthy() -> Diagnosis:
    return Diagnosis(Verdict.HEALTHY, 1.0, "The run is healthy.", ("python", "train.py"), Timing(observed_s=5.0))


Outcomes = Callable[[dict[str, Any]], Diagnosis | str]
"""Levels to the diagnosis, or to the reason why the cell was skipped."""


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., tuple[Analysis, Path]]:
    """``sweep(factors, outcomes, extras)``: the analysis and the folder of a full design with planted outcomes."""

    def make(
        factors: dict[str, tuple[str, ...]],
        outcomes: Outcomes,
        extras: Iterable[tuple[dict[str, str], str]] = (),
        claims: tuple[Claim, ...] = (),
    ) -> tuple[Analysis, Path]:
        combinations: list[dict[str, str]] = [{}]
        for name, levels in factors.items():
            combinations = [{**one, name: level} for one in combinations for level in levels]
        versions = VersionSet("a", ("torch==2.13.0",), "3.11")
        cells = [_cell(levels, versions, None) for levels in combinations]
        cells += [_cell(levels, versions, why) for levels, why in extras]
        plan = Plan("A planted sweep", factors, tuple(cells), RunSettings(), claims)
        observations = {}
        for trial in plan.trials:
            outcome = outcomes(dict(trial.cell.levels))
            if isinstance(outcome, str):
                observations[trial.id] = Observation(Outcome.SKIPPED, outcome)
                continue
            folder = tmp_path / "cells" / trial.id
            folder.mkdir(parents=True)
            (folder / "diagnosis.json").write_text(json.dumps(outcome.to_json()), encoding="utf-8")
            observation = observed(outcome)
            observations[trial.id] = Observation(
                **{**vars(observation), "folder": f"cells/{trial.id}", "wall_s": outcome.timing.observed_s}
            )
        return analyse(plan, observations), tmp_path

    return make


def _cell(levels: dict[str, str], versions: VersionSet, why: str | None) -> Cell:
    label = " ".join(f"{name}={level}" for name, level in levels.items())
    return Cell(levels, versions, (), label, why)
