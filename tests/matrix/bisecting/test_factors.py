"""Factors of a cell that fails: a real program that fails half of the time, cells in words, and shrinking."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freezelab import main
from matrix.bisect.factors import Factors
from matrix.bisect.observations import Observation, Outcome
from matrix.bisect.shrink import Choice, Whole
from matrix.bisecting.cells import CommandCells, PlannedCells
from matrix.bisecting.factors import CellRunner, FactorSpace, how_to_shrink, needs_of, whole_cells
from matrix.bisecting.pairs import tried_pairs
from matrix.bisecting.providing import Provider
from matrix.bisecting.subject import Subject
from matrix.environments.cache import UvEnvironments
from matrix.environments.uv import Uv
from matrix.errors import MatrixError
from matrix.plan.parameters import parameters_from
from matrix.plan.presets import preset
from matrix.running.trial import PROGRAM
from probes.diagnosis import Diagnosis, Timing
from probes.verdicts import Verdict
from repro.options import parser, refuses
from tests.matrix.bisect.simulation import run

PROGRAM_TEXT = """
import os, random, sys
workers, bounded, chance = int(sys.argv[1]), sys.argv[2], float(sys.argv[4])
if workers > 3 and bounded == "yes" and random.random() < chance:
    os.abort()
"""
_WORDS = ("{workers}", "{bounded}", "{sizes}")
GOOD = "workers=1 bounded=no sizes=4 SEEN=1"
BAD = "workers=8 bounded=yes sizes=64,64 SEEN=unset"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(PROGRAM_TEXT, encoding="utf-8")
    return path


Bisect = Callable[..., int]


@pytest.fixture
def bisect(program: Path, tmp_path: Path) -> Bisect:
    def call(*options: str, chance: str, good: str = GOOD, bad: str = BAD) -> int:
        words = ["bisect", "factors", "--good", good, "--bad", bad, "--out", str(tmp_path / "out"), "--no-stacks"]
        return main([*words, "--json", *options, "--", sys.executable, str(program), *_WORDS, chance])

    return call


def test_two_factors_that_fail_half_of_the_time_are_found(bisect: Bisect, capsys: pytest.CaptureFixture[str]) -> None:
    assert bisect(chance="0.5") == 0
    told = json.loads(capsys.readouterr().out)
    assert sorted(told["conclusion"]["culprit"]) == ["bounded", "workers"]
    assert told["conclusion"]["probability"] >= 0.9
    certificate = told["certificate"]
    assert certificate["signature"] == "crash in an unknown phase · SIGABRT"
    both = certificate["pairs"][0]
    assert (both["bad_freezes"] > 0, both["good_freezes"]) == (True, 0)
    assert certificate["runs"] == len(told["runs"])
    assert certificate["cost_s"] > 0
    assert told["again"][:2] == ["freezelab", "bisect"]
    assert "workers=8" in told["again"][told["again"].index("--bad") + 1]


def test_the_cell_is_shrunk_and_kept_as_a_program_that_fails(
    bisect: Bisect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bisect("--shrink", chance="1") == 0
    facts = json.loads(capsys.readouterr().out)["facts"]
    assert facts["levels"] == {"bounded": ["no", "yes"], "workers": [1, 8]}
    assert (facts["smallest"]["workers"], facts["smallest"]["bounded"], facts["smallest"]["sizes"]) == (4, "yes", 1)
    assert subprocess.run([tmp_path / "out" / "reproducer.sh"], check=False, timeout=60).returncode != 0


def test_a_budget_ends_the_search_and_the_same_command_goes_on(
    bisect: Bisect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bisect("--budget", "3", chance="1") == 4
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 3
    # What a kill leaves: a line that was cut off, and a run's folder that nobody finished.
    runs = tmp_path / "out" / "runs.jsonl"
    runs.write_text(runs.read_text(encoding="utf-8") + '{"candidate": ["wor', encoding="utf-8")
    (tmp_path / "out" / "runs" / "004-x").mkdir()
    assert bisect(chance="1") == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["runs"]) > 3
    assert sorted(told["conclusion"]["culprit"]) == ["bounded", "workers"]


@pytest.mark.parametrize(
    ("good", "bad", "says"),
    [
        (GOOD, GOOD, "are the same cell"),
        ("workers=1", BAD, "--good: {bounded} of the command has no level"),
        (GOOD, BAD + " lr=0.1", "--bad: lr: the command has no {lr}"),
        (GOOD, "workers", "is no level of a factor"),
        (GOOD, BAD + " workers=2", "workers has two levels"),
        (GOOD, BAD + " remedy=fused", "unknown remedy 'fused'"),
    ],
)
def test_what_is_no_cell_is_refused_with_what_would_be_right(
    bisect: Bisect, capsys: pytest.CaptureFixture[str], good: str, bad: str, says: str
) -> None:
    assert bisect(chance="1", good=good, bad=bad) == 2
    assert says in capsys.readouterr().err


def _planned() -> PlannedCells:
    return PlannedCells(preset(), parameters_from(parser()), refuses)


def test_a_cell_of_a_sweep_is_told_by_what_is_not_ordinary() -> None:
    cells = _planned()
    good, bad = whole_cells(cells, cells.read("--good", "ordinary"), cells.read("--bad", "env=v3 n_steps=256"))
    assert (good["env"], bad["env"], bad["n_steps"]) == ("dummy", "v3", 256)
    assert {name for name in good if good[name] != bad[name]} == {"env", "n_steps"}
    order = cells.order(bad)
    assert order.words[0] == str(PROGRAM)
    assert order.words[order.words.index("--n-steps") + 1] == "256"
    assert order.versions is not None
    with pytest.raises(MatrixError, match="--bad: env: 'v4'"):
        cells.read("--bad", "env=v4")
    with pytest.raises(MatrixError, match=r"--bad: n_step: .*"):
        cells.read("--bad", "n_step=256")


def test_a_level_that_needs_another_is_tried_with_it(tmp_path: Path) -> None:
    cells = _planned()
    good, bad = whole_cells(
        cells,
        cells.read("--good", "policy=MlpPolicy"),
        cells.read("--bad", "adapter=on env=v3 n_steps=256"),
    )
    assert needs_of(cells, good, bad) == {"adapter": {"policy"}}
    factors = Factors(good, bad, needs=needs_of(cells, good, bad))
    space = FactorSpace(
        factors, CellRunner(cells, Subject(()), Provider(UvEnvironments(Uv(), tmp_path), tmp_path, None))
    )
    told = "--adapter: on needs --policy MlpLstmPolicy, not MlpPolicy"
    assert space.instead(("adapter",)) == (("adapter", "policy"), told)
    assert space.instead(("adapter", "env", "n_steps")) == (("env", "n_steps"), told)
    assert space.instead(("env",)) == (("env",), "")
    factors.replay([Observation(space.bad, Outcome.FREEZE), Observation((), Outcome.PASS)])
    simulated = run(
        factors, lambda candidate: float("adapter" in candidate), outcome=lambda candidate: _there(space, candidate)
    )
    assert simulated < 25
    assert factors.conclusion is not None
    assert factors.conclusion.culprit == ("adapter",)
    assert [(pair.good, pair.bad) for pair in tried_pairs(factors, space)] == [
        ((), ("adapter", "policy")),
        (("env", "n_steps", "policy"), ("adapter", "env", "n_steps", "policy")),
    ]


def _there(space: FactorSpace, candidate: Any) -> Outcome | None:
    return None if space.instead(candidate)[0] == candidate else Outcome.UNRESOLVED


def test_the_folder_of_a_run_stands_for_its_settings(tmp_path: Path) -> None:
    facts = {"algorithm": "RecurrentPPO", "hyperparameters": {"n_steps": 128, "gamma": 0.9}, "total_timesteps": 512}
    document = Diagnosis(Verdict.HEALTHY, 1.0, "", ("python",), Timing(1.0), environment={"training": facts}).to_json()
    (tmp_path / "diagnosis.json").write_text(json.dumps(document), encoding="utf-8")
    told = _planned().read("--bad", str(tmp_path))
    assert told == {"n_steps": 128, "gamma": 0.9, "total_timesteps": 512, "policy": "MlpLstmPolicy"}


def test_numbers_shrink_and_what_is_known_to_be_needed_stays() -> None:
    cells = CommandCells((sys.executable, "-c", "pass", "{n}", "{net}", "{kind}"))
    good = cells.read("--good", "n=1 net=64,64 kind=a X=1")
    bad = cells.read("--bad", "n=8 net=64,64 kind=b X=1")
    how = how_to_shrink(cells, bad, good)
    assert how["n"] == Whole(least=1)
    assert how["net"] == Choice(("1", "1,1", "4,4", "16,16", "64,64"))
    assert how["X"] == Choice((False, "1"))
    assert "kind" not in how


def test_a_run_of_which_nothing_could_be_seen_does_not_pass(
    program: Path, bisect: Bisect, capsys: pytest.CaptureFixture[str]
) -> None:
    program.write_text("import sys, time\nif sys.argv[1] == '8': time.sleep(60)\n", encoding="utf-8")
    assert bisect("--limit", "1", chance="1") == 2
    assert "can't be tried: its time limit was over, and nothing could be seen" in capsys.readouterr().err
