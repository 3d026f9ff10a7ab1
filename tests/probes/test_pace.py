"""The time of one call over the run: what grows is told, what is only busy, noisy or changed once is not."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.flight import PhaseTotal
from probes.pace import Pace, Slowing

At = Callable[[float], float]


def follow(seconds: float = 30.0, polled_s: float = 0.5, **calls: At) -> Slowing | None:
    """
    A run that goes through all the phases by turns.

    :param calls: phase, with ``_`` for ``.``, to the seconds of one call at a moment.
    """
    pace = Pace()
    totals = {name.replace("__", "."): (0, 0.0, call) for name, call in calls.items()}
    now, next_poll = 0.0, 0.0
    while now < seconds:
        for name, (count, total_s, call) in totals.items():
            took = call(now)
            now += took
            totals[name] = (count + 1, total_s + took, call)
        if now >= next_poll:
            next_poll = now + polled_s
            pace.add(now, {name: PhaseTotal(count, total, 0.0) for name, (count, total, _) in totals.items()})
    return pace.slowing()


def steady(at: float) -> float:
    return 0.002


@pytest.mark.parametrize("phase", ["env__step", "callback", "buffer__add", "minibatch"])
def test_a_phase_whose_calls_grow_is_found(phase: str) -> None:
    phases: dict[str, At] = {"env__step": steady, "policy": steady, phase: lambda at: 0.001 + at * 0.0005}
    found = follow(30.0, 0.5, **phases)
    assert found is not None
    assert found.phase == phase.replace("__", ".")
    assert found.growth > 3
    assert found.share > 0.4
    assert list(found.call_s) == sorted(found.call_s)
    assert found.steady is not None
    assert found.steady_growth == pytest.approx(1.0, abs=0.05)


def test_a_machine_that_others_make_busy_slows_all_phases_alike() -> None:
    assert follow(env__step=lambda at: 0.001 + at * 0.0005, policy=lambda at: 0.002 + at * 0.001) is None


def test_time_without_a_core_is_taken_off() -> None:
    pace = Pace()
    count, total_s, waited_s = 0, 0.0, 0.0
    for poll in range(60):
        crowd = 1 + poll / 10
        count += int(100 / crowd)
        total_s += int(100 / crowd) * 0.004 * crowd
        waited_s += 0.5 * (1 - 1 / crowd)
        phases = {"env.step": PhaseTotal(count, total_s, 0.0), "policy": PhaseTotal(count, count * 1e-5, 0.0)}
        pace.add(poll * 0.5, phases, waited_s)
    assert pace.slowing() is None


def test_one_change_for_the_worse_is_no_slowdown() -> None:
    assert follow(env__step=lambda at: 0.001 if at < 12 else 0.01, policy=steady) is None


def test_what_takes_little_of_the_time_is_not_told() -> None:
    assert follow(env__step=lambda at: 0.00001 + at * 0.00001, policy=steady) is None


def test_a_run_that_gets_faster_is_not_told() -> None:
    assert follow(env__step=lambda at: 0.02 - at * 0.0005, policy=steady) is None


def test_an_evaluation_that_lasts_longer_is_not_the_callback_s_time() -> None:
    pace = Pace()
    for second in range(60):
        eval_s = second * second * 0.01
        phases = {
            "env.step": PhaseTotal(second * 10, second * 0.1, 0.0),
            "callback": PhaseTotal(second * 10, second * 0.01 + eval_s, 0.0),
            "eval": PhaseTotal(second, eval_s, 0.0),
        }
        pace.add(float(second), phases)
    assert pace.slowing() is None


def test_a_few_seconds_tell_nothing() -> None:
    assert follow(5.0, env__step=lambda at: 0.001 + at * 0.01, policy=steady) is None
    assert Pace().slowing() is None


def test_a_long_run_is_followed_in_little_room() -> None:
    pace = Pace()
    for poll in range(10_000):
        pace.add(poll * 0.5, {"env.step": PhaseTotal(poll * 100, poll * 0.2, 0.0)})
    assert len(pace._snapshots) <= 240
    assert pace._snapshots[-1].at_s > 4800
    assert pace.slowing() is None


@given(st.integers(0, 2**32), st.floats(0.0, 1.0), st.floats(6.0, 60.0))
@settings(deadline=None, max_examples=60)
def test_noise_alone_is_never_told(seed: int, noise: float, seconds: float) -> None:
    source = random.Random(seed)  # noqa: S311

    def noisy(at: float) -> float:
        return 0.02 * source.lognormvariate(0.0, noise)

    assert follow(seconds, env__step=noisy, policy=noisy, callback=noisy) is None


def test_what_a_call_took_lately_is_told() -> None:
    pace = Pace()
    assert pace.recent_call_s("callback") is None
    count, total_s = 0, 0.0
    for at in range(60):
        count, total_s = count + 10, total_s + 10 * (0.01 if at < 40 else 0.05)
        pace.add(float(at), {name: PhaseTotal(count, total_s, 0.0) for name in ("env.step", "callback")})
    assert pace.recent_call_s("callback") == pytest.approx(0.05)
    assert pace.recent_call_s("save") is None
