"""Two freezes are the same only if verdict, phase and stack agree."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path

import pytest

from matrix.analysis.analysis import analyse_folder
from matrix.plan.cells import Trial
from matrix.results.observation import Observation, observed
from matrix.results.store import Store, read_records
from probes.diagnosis import Culprit, Diagnosis, Evidence, Timing
from probes.verdicts import Verdict
from tests.matrix.analysis.conftest import FROZEN, HEALTHY, Swept

FACTORS = {"env": ("sea", "hill"), "adapter": ("off", "on")}
ROWS = [
    ["Booth.take", "/u/market.py", 48],
    ["Market.step", "/u/market.py", 12],
    ["PPO.learn", "/e/lib/python3.11/site-packages/stable_baselines3/ppo/ppo.py", 311],
]


def hung(rows: list[list[object]], verdict: Verdict = Verdict.DEADLOCK, phase: str = "collect") -> Observation:
    """A run that stood there."""
    stack = Evidence("stack-still", 5.0, "it stands", detail={"process": "main", "frames": rows})
    return observed(
        Diagnosis(
            verdict, 0.9, "it hangs", ("python", "train.py"), Timing(9.0), phase=phase, evidence=(stack,),
            culprit=Culprit("take", "/u/market.py", 48, None, None),
        )
    )  # fmt: skip


def test_the_same_place_in_two_releases_is_one_finding(swept: Swept) -> None:
    moved = [[function, f"/elsewhere{file}", line and int(str(line)) + 9] for function, file, line in ROWS]
    analysis = swept(FACTORS, lambda t: hung(moved if t.cell.levels["env"] == "sea" else ROWS))
    [finding] = analysis.findings
    assert len(finding.results) == 4
    assert finding.in_design


@pytest.mark.parametrize(
    "other",
    [
        hung([*ROWS[:1], ["Market.reset", "/u/market.py", 12], *ROWS[2:]]),
        hung(ROWS, Verdict.SPIN),
        hung(ROWS, phase="train"),
    ],
)
def test_another_place_verdict_or_phase_is_another_finding(swept: Swept, other: Observation) -> None:
    analysis = swept(FACTORS, lambda t: other if t.cell.levels["env"] == "sea" else hung(ROWS))
    assert sorted(len(finding.results) for finding in analysis.findings) == [2, 2]
    pairs = list(analysis.pairs("env"))
    assert len(pairs) == 2
    assert not any(pair.alike for pair in pairs)


def test_the_stack_is_in_the_signature_by_a_digest_and_in_the_store_in_full(swept: Swept, tmp_path: Path) -> None:
    analysis = swept({"env": ("sea",)}, lambda t: hung(ROWS))
    [result] = analysis.results
    assert result.observation.stack == "market:take < market:step < stable_baselines3.ppo.ppo:learn"
    with Store(tmp_path / "sweep.sqlite") as store:
        store.add(result.trial, result.observation)
    assert read_records(tmp_path / "sweep.sqlite")[0].observation == result.observation
    connection = sqlite3.connect(tmp_path / "sweep.sqlite")
    try:
        [(signature, stack)] = connection.execute("SELECT signature, stack FROM trials").fetchall()
    finally:
        connection.close()
    assert signature == result.observation.signature
    assert signature.startswith("deadlock in collect · take · stack ")
    assert stack == result.observation.stack


def test_without_a_stack_verdict_phase_and_function_tell_findings_apart() -> None:
    assert dataclasses.replace(FROZEN, stack=None).signature == "deadlock in train · take_both"


def test_a_folder_of_a_sweep_gives_the_same_findings_again(swept: Swept, tmp_path: Path) -> None:
    def observe(trial: Trial) -> Observation:
        return hung(ROWS) if trial.cell.levels["adapter"] == "on" else HEALTHY

    analysis = swept(FACTORS, observe)
    analysis.plan.save(tmp_path / "plan.json")
    with Store(tmp_path / "sweep.sqlite") as store:
        for result in analysis.results:
            store.add(result.trial, result.observation)
    assert analyse_folder(tmp_path) == analysis
