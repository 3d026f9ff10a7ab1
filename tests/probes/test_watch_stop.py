"""Which settled verdicts end a run under ``on_freeze="stop"``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from probes import watch as watching
from probes.diagnosis import Diagnosis, Evidence, Timing
from probes.verdicts import Verdict
from probes.watch import Status, WatchOptions, watch

STANDING = frozenset(verdict for verdict in Verdict if verdict.stands_for_good)


@pytest.fixture
def slow_then_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """In any run slowness is settled, once more, and then a deadlock."""
    judgements = iter((Verdict.SLOW_PHASE, Verdict.SLOW_PHASE, Verdict.DEADLOCK))

    def settled(*_: object) -> Diagnosis | None:
        verdict = next(judgements, None)
        return None if verdict is None else Diagnosis(verdict, 1.0, "as planted", (), Timing(1.0))

    monkeypatch.setattr(watching, "_settled", settled)
    monkeypatch.setattr(watching, "_may_be_settled", lambda *_: True)
    monkeypatch.setattr(watching, "_silent_for_long", lambda *_: True)
    monkeypatch.setattr(watching, "_JUDGE_EVERY_S", 0.0)


def run(out: Path, stop_on: Iterable[Verdict], lasts_s: float) -> tuple[list[Verdict], bool]:
    """What was told, and whether the run was ended."""
    found: list[Verdict] = []

    def look(status: Status) -> None:
        if status.diagnosis is not None:
            found.append(status.diagnosis.verdict)

    options = WatchOptions(
        out=out, on_freeze="stop", stop_on=frozenset(stop_on), stacks=False, stdin_null=True, on_status=look
    )
    diagnosis = watch([sys.executable, "-c", f"import time; time.sleep({lasts_s})"], options)
    return found, any(item.kind == "ended-by-us" for item in diagnosis.evidence)


@pytest.mark.usefixtures("slow_then_stuck")
def test_a_run_that_is_slow_goes_on_until_it_stands_for_good(tmp_path: Path) -> None:
    assert run(tmp_path, STANDING, 60) == ([Verdict.SLOW_PHASE, Verdict.DEADLOCK], True)


@pytest.mark.usefixtures("slow_then_stuck")
def test_a_run_is_ended_by_the_first_verdict_that_may_end_it(tmp_path: Path) -> None:
    assert run(tmp_path, Verdict, 60) == ([Verdict.SLOW_PHASE], True)


@pytest.mark.usefixtures("slow_then_stuck")
def test_a_run_that_no_verdict_may_end_comes_to_its_own_end_and_is_told_of_once(tmp_path: Path) -> None:
    assert run(tmp_path, (), 2.5) == ([Verdict.SLOW_PHASE], False)


def test_what_moves_does_not_stand_for_good() -> None:
    assert {Verdict.DEADLOCK, Verdict.SPIN, Verdict.BLOCKED, Verdict.EXIT_HANG} == STANDING


@pytest.mark.parametrize(
    ("verdict", "proof", "ended"),
    [
        (Verdict.SPIN, None, False),  # it computes, and may come to an end of that
        (Verdict.BLOCKED, "waits-outside", False),  # whoever it waits on may answer yet
        (Verdict.BLOCKED, "peer-is-dead", True),
        (Verdict.BLOCKED, "sleeps-long", True),
        (Verdict.DEADLOCK, None, True),
    ],
)
def test_what_may_go_on_by_itself_is_given_time(
    verdict: Verdict, proof: str | None, ended: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = (Evidence(kind=proof, at_s=0.0, says="as planted"),) if proof else ()
    found = Diagnosis(verdict, 1.0, "as planted", (), Timing(1.0), evidence=evidence)
    monkeypatch.setattr(watching, "_settled", lambda *_: found)
    monkeypatch.setattr(watching, "_may_be_settled", lambda *_: True)
    monkeypatch.setattr(watching, "_silent_for_long", lambda *_: True)
    monkeypatch.setattr(watching, "_JUDGE_EVERY_S", 0.0)
    told: list[Verdict] = []

    def look(status: Status) -> None:
        if status.diagnosis is not None:
            told.append(status.diagnosis.verdict)

    options = WatchOptions(
        out=tmp_path, on_freeze="stop", stop_after_s=600, stacks=False, stdin_null=True, on_status=look
    )
    script = f"import time; time.sleep({60 if ended else 2})"
    diagnosis = watch([sys.executable, "-c", script], options)
    assert told == [verdict]
    assert any(item.kind == "ended-by-us" for item in diagnosis.evidence) == ended
