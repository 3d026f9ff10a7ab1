from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from matrix.plan.plan import Plan
from matrix.results.observation import Observation, Outcome
from matrix.running.progress import Progress
from matrix.running.view import LiveView, PlainView, duration, view_for
from probes.verdicts import Verdict

SLOW = Observation(Outcome.RAN, verdict=Verdict.SLOW_PHASE, summary="stands in train", wall_s=30.0)


def test_without_a_terminal_each_trial_that_ends_is_a_line(plan: Plan) -> None:
    stream, progress = io.StringIO(), Progress(total=8)
    view = PlainView(stream)
    view.begin(progress)
    progress.finished(plan.trials[0], SLOW)
    view.finished(plan.trials[0], SLOW)
    view.end()
    assert stream.getvalue() == ("[1/8] versions=old env=dummy adapter=off: slow-phase after 30 s (stands in train)\n")


def test_without_a_terminal_what_runs_is_told_every_ten_seconds(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, progress = io.StringIO(), Progress(total=8)
    view = PlainView(stream)
    view.begin(progress)
    progress.started(plan.trials[0])
    progress.status(plan.trials[0], "step 2048 · train", suspicious=False)
    view.tick()
    assert stream.getvalue() == ""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 11)
    view.tick()
    view.tick()
    assert stream.getvalue() == "[0/8] running: versions=old env=dummy adapter=off 11 s: step 2048 · train\n"


def test_on_a_terminal_running_trials_and_counts_are_shown(plan: Plan) -> None:
    stream, progress = io.StringIO(), Progress(total=8, slots=2)
    view = LiveView(Console(file=stream, force_terminal=True, width=120, color_system=None))
    view.begin(progress)
    progress.started(plan.trials[0])
    progress.started(plan.trials[1])
    progress.status(plan.trials[1], "step 2048 · train", suspicious=True)
    progress.finished(plan.trials[0], SLOW)
    view.finished(plan.trials[0], SLOW)
    view.note("a word")
    view.end()
    shown = stream.getvalue()
    for part in ("step 2048 · train", "slow-phase 1", "[1/8]", "stands in train", "a word"):
        assert part in shown


def test_the_time_left_is_that_of_the_trials_so_far(plan: Plan) -> None:
    progress = Progress(total=8, done=3, slots=2)
    assert progress.left_s is None
    progress.finished(plan.trials[0], SLOW)
    assert progress.left_s == pytest.approx(4 * 30.0 / 2)
    progress.started(plan.trials[1])
    assert progress.left_s == pytest.approx(4 * 30.0 / 2, abs=1.0)


def test_a_trial_that_was_ended_counts_as_not_done(plan: Plan) -> None:
    progress = Progress(total=8)
    progress.started(plan.trials[0])
    progress.finished(plan.trials[0], None)
    assert (progress.done, progress.running, progress.outcomes) == (0, [], {})


def test_a_file_gets_plain_lines() -> None:
    assert isinstance(view_for(io.StringIO()), PlainView)


def test_an_open_total_is_left_out(plan: Plan) -> None:
    stream, progress = io.StringIO(), Progress(total=None, done=3)
    view = PlainView(stream)
    view.begin(progress)
    progress.finished(plan.trials[0], SLOW)
    view.finished(plan.trials[0], SLOW)
    assert stream.getvalue().startswith("[4] ")
    assert progress.left_s is None


def test_what_ended_before_a_sweep_was_stopped_is_counted(plan: Plan) -> None:
    progress = Progress(total=8, done=2, slots=1, earlier=[SLOW, SLOW])
    progress.finished(plan.trials[2], SLOW)
    assert progress.outcomes == {"slow-phase": 3}
    assert progress.left_s == pytest.approx(5 * 30.0)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (7500, "2 h 5 min")]
)
def test_durations_are_told_in_two_units_at_most(seconds: float, words: str) -> None:
    assert duration(seconds) == words
