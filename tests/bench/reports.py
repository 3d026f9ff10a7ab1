"""
How long reports take, and how large they are.

The sweep is planted: a full design whose runs freeze in several ways, each with a diagnosis of real size, stored as a
sweep stores it. What is timed is what a user does: the command line in a process of its own, imports included, on
cold pages of nothing but what is stored.

    python -m tests.bench.reports                a sweep of 500 cells
    python -m tests.bench.reports --cells 2000   one of 2,000
    python -m tests.bench.reports --keep DIR     leaves it there, to be looked at
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from matrix.analysis.analysis import PLAN_FILE, STORE_FILE
from matrix.plan.cells import Cell, VersionSet
from matrix.plan.claims import Claim
from matrix.plan.parameters import Level
from matrix.plan.plan import Plan, RunSettings
from matrix.results.observation import Observation, Outcome, observed
from matrix.results.store import Store
from probes.diagnosis import Culprit, Diagnosis, Evidence
from probes.verdicts import Verdict
from tests.reports.conftest import failed, healthy, slow

ROOT = Path(__file__).resolve().parents[2]
_FACTORS: dict[str, tuple[Level, ...]] = {
    "versions": ("sb3-2.3", "sb3-2.6", "sb3-2.9"),
    "policy": ("MlpPolicy", "MlpLstmPolicy"),
    "start_method": ("fork", "forkserver", "spawn"),
    "n_envs": (1, 4, 16),
    "env": ("dummy", "v3", "original"),
    "device": ("cpu", "cuda"),
}
_FRAMES = 80
_LIMIT_S, _LIMIT_MB = 3.0, 5.0


def _plan(cells: int) -> Plan:
    """A full design of about so many cells: levels of a last factor make up the number."""
    others = math.prod(len(levels) for levels in _FACTORS.values())
    factors = {**_FACTORS, "batch_size": tuple(32 * 2**power for power in range(max(1, round(cells / others))))}
    combinations: list[dict[str, Level]] = [{}]
    for name, levels in factors.items():
        combinations = [{**one, name: level} for one in combinations for level in levels]
    sets = {
        name: VersionSet(name, ("torch==2.13.0", f"stable-baselines3=={name.removeprefix('sb3-')}.0"), "3.11")
        for name in map(str, factors["versions"])
    }
    made = tuple(
        Cell(levels, sets[str(levels["versions"])], tuple(words), " ".join(words))
        for levels in combinations[:cells]
        if (words := [f"{name}={level}" for name, level in levels.items()])
    )
    claims = (
        Claim("the library's version is to blame", "differs", "versions"),
        Claim("a GPU is needed", None, needs="a GPU"),
        Claim("it deadlocks", "occurs", verdicts=(Verdict.DEADLOCK,)),
    )
    return Plan(f"A planted sweep of {len(made)} cells", factors, made, RunSettings(), claims)


def _deadlock(levels: dict[str, Level], chance: random.Random) -> Diagnosis:
    frames = [[f"call_{number}", f"/home/someone/project/module_{number % 7}.py", number] for number in range(_FRAMES)]
    process = f"worker {chance.randrange(16)}"
    culprit = Culprit("call_0", "/home/someone/project/module_0.py", 17, None, None, process)
    evidence = (
        Evidence("silence", 12.0, "no event for 9.0 s", (Verdict.DEADLOCK,), (Verdict.HEALTHY,)),
        Evidence(
            "stack-still", 12.5, f"3 stacks of {process} are the same", (), (), {"process": process, "frames": frames}
        ),
    )
    return replace(
        slow(), verdict=Verdict.DEADLOCK, summary="The run is deadlocked.", culprit=culprit, cause="fork-after-openmp",
        evidence=evidence, phase="collect", step=chance.randrange(512),
    )  # fmt: skip


def _outcome(levels: dict[str, Level], chance: random.Random) -> Diagnosis | str:
    if levels["device"] == "cuda":
        return "no CUDA device"
    if levels["start_method"] == "fork" and levels["n_envs"] != 1 and chance.random() < 0.8:
        return _deadlock(levels, chance)
    if levels["policy"] == "MlpLstmPolicy":
        return failed() if levels["versions"] == "sb3-2.3" else slow()
    return healthy()


def plant(folder: Path, cells: int) -> int:
    """Writes a sweep as it is after its last run; gives how many cells it has."""
    plan, chance = _plan(cells), random.Random(0)  # noqa: S311
    plan.save(folder / PLAN_FILE)
    with Store(folder / STORE_FILE) as store:
        for trial in plan.trials:
            outcome = _outcome(dict(trial.cell.levels), chance)
            if isinstance(outcome, str):
                store.add(trial, Observation(Outcome.SKIPPED, outcome))
                continue
            run = folder / "cells" / trial.id
            run.mkdir(parents=True)
            (run / "diagnosis.json").write_text(json.dumps(outcome.to_json()), encoding="utf-8")
            wall_s = outcome.timing.observed_s * chance.uniform(0.8, 1.2)
            store.add(trial, replace(observed(outcome), folder=f"cells/{trial.id}", wall_s=wall_s))
    return len(plan.cells)


def _rendered(folder: Path) -> tuple[float, float]:
    """Seconds that ``freezelab report`` takes, and of them those of a processor."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, str(ROOT / "freezelab.py"), "report", str(folder)], check=True, stdout=subprocess.DEVNULL
    )
    took_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _rows(folder: Path, cells: int) -> Iterator[tuple[str, str, str]]:
    took = [_rendered(folder) for _ in range(3)]
    yield f"{cells} cells, worst of three", f"{max(wall_s for wall_s, _ in took):.2f} s", f"at most {_LIMIT_S:g} s"
    yield "  of it, processor time", f"{max(cpu_s for _, cpu_s in took):.2f} s", ""
    for path in sorted(folder.glob("report*")):
        limit = f"at most {_LIMIT_MB:g} MB" if path.suffix == ".html" else ""
        yield path.name, f"{path.stat().st_size / 1e6:.2f} MB", limit


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=500, help="about so many (default: 500)")
    parser.add_argument("--keep", type=Path, help="an empty folder for the sweep and its report")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for row in _rows(folder, plant(folder, options.cells)):
            print(f"{row[0]:32}{row[1]:>10}   {row[2]}")


if __name__ == "__main__":
    main()
