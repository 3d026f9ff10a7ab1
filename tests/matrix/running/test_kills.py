"""Runners that are killed at random moments. More of it: ``python -m tests.bench.sweep --kills 100``."""

from __future__ import annotations

from pathlib import Path

from tests.bench.sweep import kill_again_and_again


def test_a_runner_that_is_killed_again_and_again_loses_nothing_and_runs_nothing_twice(tmp_path: Path) -> None:
    found = kill_again_and_again(tmp_path, kills=5, cells=16, seed=5, longest_s=2.0)
    assert found.kills == 5
    assert (found.lost, found.twice, found.orphans, found.different) == ([], [], [], [])
