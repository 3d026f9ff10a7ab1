from __future__ import annotations

from pathlib import Path

from matrix.running.surroundings import Surroundings

BEFORE = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 100 0 0 100 0 0 0 0 0 0\ncpu1 100 0 0 0 0 0 0 50 0 0\nintr 5\n"
AFTER = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 150 0 0 130 0 0 0 20 7 0\ncpu1 100 0 0 0 0 0 0 99 0 0\nintr 5\n"


def test_the_time_that_was_stolen_from_a_trials_own_cores_is_told(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text(BEFORE)
    surroundings = Surroundings(frozenset({0}), stat)
    stat.write_text(AFTER)
    assert surroundings.since()["steal"] == 0.2


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert Surroundings(frozenset({0}), tmp_path / "none").since()["steal"] is None


def test_the_machine_and_its_load_are_told() -> None:
    found = Surroundings(frozenset({0})).since()
    assert found["host"]
    assert found["load_before"] >= 0
    assert found["load_after"] >= 0
