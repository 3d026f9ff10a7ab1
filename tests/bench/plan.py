"""
What a large plan costs: from the sweep's file to its trials, and to ``plan.json`` and back, in a process of its own.

    python -m tests.bench.plan --cells 100000
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matrix.plan.parameters import parameters_from
from matrix.plan.plan import Plan
from matrix.plan.plan_file import load_plan
from repro.options import parser as training_parser

LIMIT_S, LIMIT_MB = 10.0, 500.0
"""What a plan of 100,000 cells may take."""
_TEXT = """
constraints = [{constraints}]
[factors]
versions = ["a", "b"]
env = ["dummy", "v3", "original"]
adapter = ["off", "on"]
n_epochs = [5, 10]
gamma = [0.9, 0.95, 0.99, 0.999]
n_steps = {n_steps}
[factors.environ]
OMP_WAIT_POLICY = ["active", "passive", false]
[factors.packages]
numpy = ["2.1.0", "2.2.0", "2.3.0"]
[versions.a]
requirements = ["torch==2.7.1"]
[versions.b]
requirements = ["torch==2.8.0"]
[[extra]]
policy = "MlpPolicy"
"""
_CONSTRAINTS = """'adapter == "on" implies env != "dummy"', 'n_epochs == 10 or gamma < 0.99'"""
_OTHER_COMBINATIONS = 2 * 3 * 2 * 2 * 4 * 3 * 3


def main() -> None:
    """Prints a table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cells", type=int, default=100_000, help="at least so many (default: %(default)s)")
    options.add_argument("--worker", choices=("plan", "ids", "file"), help=argparse.SUPPRESS)
    options.add_argument("--constrained", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.worker:
        print(json.dumps(_measure(chosen.worker, chosen.cells, chosen.constrained)))
        return
    print(f"{'':34} {'cells':>8} {'trials':>8} {'seconds':>8} {'CPU s':>8} {'peak MB':>8}  plan.json")
    for what, worker, constrained in (
        ("file to trials", "plan", False),
        ("file to trials, 2 constraints", "plan", True),
        ("file to trials and all their ids", "ids", False),
        ("file to plan.json and back", "file", False),
    ):
        command = [sys.executable, "-m", "tests.bench.plan", "--cells", str(chosen.cells), "--worker", worker]
        command += ["--constrained"] if constrained else []
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        size = f"{found['json_mb']:.1f} MB" if found["json_mb"] else ""
        counts = f"{found['cells']:8,} {found['trials']:8,}"
        print(f"{what:34} {counts} {found['seconds']:8.1f} {found['cpu_s']:8.1f} {found['peak_mb']:8.0f}  {size}")
    print(f"a plan of 100,000 cells may take {LIMIT_S:.0f} s and {LIMIT_MB:.0f} MB to its trials")


def _measure(what: str, cells: int, constrained: bool) -> dict[str, Any]:
    parameters = parameters_from(training_parser())
    # More of them where constraints leave five in eight.
    n_steps = list(range(64, 64 + -(-cells * (8 if constrained else 5) // 5 // _OTHER_COMBINATIONS)))
    constraints = _CONSTRAINTS if constrained else ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sweep.toml"
        path.write_text(_TEXT.format(n_steps=n_steps, constraints=constraints), encoding="utf-8")
        steps: dict[str, Callable[[Plan], object]] = {
            "plan": lambda plan: plan.trials,
            "ids": lambda plan: [trial.id for trial in plan.trials],
            "file": lambda plan: _saved(plan, path.with_suffix(".json")).trials,
        }
        started, cpu_started = time.perf_counter(), time.process_time()
        plan = load_plan(path, parameters)
        steps[what](plan)
        seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu_started
        written = path.with_suffix(".json")
        return {
            "cells": len(plan.cells),
            "trials": len(plan.trials),
            "seconds": seconds,
            "cpu_s": cpu_s,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
            "json_mb": written.stat().st_size / 1e6 if written.exists() else None,
        }


def _saved(plan: Plan, path: Path) -> Plan:
    plan.save(path)
    return Plan.load(path)


if __name__ == "__main__":
    main()
