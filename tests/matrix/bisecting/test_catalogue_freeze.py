"""
A deadlock of the catalogue that comes in half of the runs, bisected for real: case and healthy twin, unchanged.

Each run that freezes takes some ten seconds. Here the search gets a few runs, and is to have understood by then what it
sees; with ``FREEZELAB_TEST_FULL=1`` it goes on to its end, in three to five minutes.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path

import pytest

from freezelab import main
from repro.cases.catalogue import load

FULL = os.environ.get("FREEZELAB_TEST_FULL") == "1"
SOME_RUNS = 4
SEEDS, STEPS = ("0", "3"), ("150", "170")
TRAIN = """
import random, runpy, sys
from pathlib import Path
here = Path(__file__).parent
order, seed, at = sys.argv[1:]
tosses = here / "tosses"
with tosses.open("a") as file:
    file.write("x")
freezes = order == "mixed" and random.Random(tosses.stat().st_size).random() < 0.5
runpy.run_path(str(here / f"{'case' if freezes else 'twin'}_{seed}_{at}.py"), run_name="__main__")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    case = next(case for case in load() if case.name == "c01")
    for kind, text in (("case", case.program), ("twin", case.twin())):
        for seed, at in itertools.product(SEEDS, STEPS):
            varied = text.replace("SEED = 0\n", f"SEED = {seed}\n").replace("AT = 150\n", f"AT = {at}\n")
            # It is over soon after the step at which it may freeze.
            short = varied.replace("learn(2048)", "learn(256)")
            assert short != varied
            (tmp_path / f"{kind}_{seed}_{at}.py").write_text(short, encoding="utf-8")
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    return tmp_path / "train.py"


def test_a_deadlock_that_comes_in_half_of_the_runs(
    program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = ["--good", "order=same seed=0 at=150", "--bad", "order=mixed seed=3 at=170"]
    budget = [] if FULL else ["--budget", str(SOME_RUNS)]
    words = ["bisect", "factors", *ends, *budget, "--out", str(tmp_path / "out"), "--json"]
    code = main([*words, "--", sys.executable, str(program), "{order}", "{seed}", "{at}"])
    told = json.loads(capsys.readouterr().out)
    frozen = [run for run in told["runs"] if run["ended"] == "froze"]
    passed = [run for run in told["runs"] if run["ended"] == "passed"]
    assert frozen
    assert passed
    assert len(frozen) + len(passed) == len(told["runs"])
    # All that froze is one and the same, whatever the seed and the step.
    assert {run["signature"] for run in frozen} == {"deadlock in collect · book"}
    assert all("order" in run["candidate"] for run in frozen)
    if not FULL:
        assert (code, len(told["runs"])) == (4, SOME_RUNS)
        return
    assert code == 0
    assert told["conclusion"]["culprit"] == ["order"]
    both = told["certificate"]["pairs"][0]
    assert (both["bad_freezes"] > 0, both["good_freezes"]) == (True, 0)
