"""What counts as a change between two sweeps, and what noise and chance explain."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.analysis.analysis import Analysis
from matrix.results.observation import observed
from reports.comparing.processor import processor_of
from reports.comparing.times import Ratio, Times
from reports.comparing.trials import (
    ELAPSED,
    PROCESSOR,
    Ending,
    TrialChanges,
    compare_trials,
    ending,
    endings,
    relabelled,
)
from tests.reports.conftest import failed, healthy, slow

Sweep = Callable[..., tuple[Analysis, Path]]
WELL = Ending("ran", "healthy", "healthy")
SLOW = Ending("ran", "slow-phase", "slow-phase in train · f", "recurrent-update-loop")
DEAD = Ending("ran", "deadlock", "deadlock in train · g")
SKIPPED = Ending("skipped")


def took(*seconds: float, was: Ending = WELL) -> Ending:
    return dataclasses.replace(was, update=Times.of(seconds))


def lists(found: TrialChanges) -> dict[str, list[str]]:
    named = {field.name: getattr(found, field.name) for field in dataclasses.fields(found) if field.name != "compared"}
    return {name: [item.label for item in items] for name, items in named.items() if items}


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (WELL, WELL, None),
        (SLOW, SLOW, None),
        (WELL, SLOW, "newly_failing"),
        (SKIPPED, SLOW, "newly_failing"),
        (None, SLOW, "new_and_failing"),
        (DEAD, dataclasses.replace(DEAD, signature="deadlock in train · g · stack 0a1b2c3d"), None),
        (SLOW, DEAD, "failing_otherwise"),
        (SLOW, dataclasses.replace(SLOW, signature="slow-phase in train · renamed"), None),
        (DEAD, dataclasses.replace(DEAD, signature="deadlock in train · h"), "failing_otherwise"),
        (SLOW, WELL, "no_longer_failing"),
        (WELL, SKIPPED, "not_run"),
        (SKIPPED, SKIPPED, None),
        (SKIPPED, WELL, None),
        (WELL, None, "gone"),
        (None, WELL, "new"),
    ],
)
def test_how_a_trial_ended_before_and_after(before: Any, after: Any, kind: str | None) -> None:
    one, two = ({"a": item} if item is not None else {} for item in (before, after))
    assert lists(compare_trials(one, two)) == ({kind: ["a"]} if kind else {})


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ((1.0, 1.1, 1.0), (2.0, 2.1, 2.2), "slower"),
        ((2.0, 2.1, 2.2), (1.0, 1.1, 1.0), "faster"),
        ((1.0, 1.1, 1.0), (1.2, 1.25, 1.2), None),  # not by a factor of 1.3
        ((1.0, 3.0, 2.0), (2.0, 4.0, 3.0), None),  # they vary as much
        ((1.0, 3.0, 2.0) * 20, (2.0, 4.0, 3.0) * 20, "slower"),  # but sixty of them are another matter
        ((0.01, 0.01), (0.05, 0.05), None),  # less than half a second altogether
        (tuple([0.01] * 100), tuple([0.05] * 100), "slower"),
        ((*[1.0] * 30, 9.0), tuple([2.0] * 30), "slower"),  # one hiccup of many
        ((1.0,), (), None),
    ],
)  # fmt: skip
def test_slower_is_what_noise_can_t_explain(before: Any, after: Any, kind: str | None) -> None:
    assert lists(compare_trials({"a": took(*before)}, {"a": took(*after)})) == ({kind: ["a"]} if kind else {})


def test_another_factor_can_be_asked_for() -> None:
    before, after = {"a": took(1.0, 1.0)}, {"a": took(2.0, 2.0)}
    assert compare_trials(before, after, 3.0).slower == ()
    [change] = compare_trials(before, after, 1.9).slower
    assert change.ratio == 2.0


def test_a_freeze_that_came_and_went_before_is_not_new() -> None:
    def of_cell(one: Ending) -> Ending:
        return dataclasses.replace(one, cell="env=a")

    before = {"env=a": of_cell(WELL), "env=a repeat=1": of_cell(DEAD)}
    after = {"env=a": of_cell(DEAD), "env=a repeat=1": of_cell(WELL)}
    found = compare_trials(before, after)
    assert lists(found) == {"unsteady": ["env=a", "env=a repeat=1"]}
    assert not found.worse
    assert compare_trials({"env=a": of_cell(WELL)}, after).worse


def test_trials_of_a_sweep_are_known_by_their_labels(sweep: Sweep) -> None:
    analysis, folder = sweep({"env": ("sea", "hill")}, lambda levels: slow() if levels["env"] == "sea" else healthy())
    found = endings(analysis, folder)
    assert {label: one.verdict for label, one in found.items()} == {"env=sea": "slow-phase", "env=hill": "healthy"}
    assert found["env=sea"].update == Times(16.0, 16.0, 16.0, 2)  # each, from the run's own folder


def test_the_same_settings_are_compared_although_a_factor_was_added(sweep: Sweep) -> None:
    before, folder = sweep({"env": ("sea",)}, lambda levels: slow())
    [result] = before.results
    label = "env=sea adapter=off"
    cell = dataclasses.replace(result.trial.cell, label=label)
    after = dataclasses.replace(
        before, results=(dataclasses.replace(result, trial=dataclasses.replace(result.trial, cell=cell)),)
    )
    assert list(relabelled(before, after, endings(before, folder))) == [label]


def test_without_the_runs_folders_means_are_compared(sweep: Sweep, tmp_path: Path) -> None:
    analysis, _ = sweep({"env": ("sea",)}, lambda levels: slow())
    assert endings(analysis, tmp_path / "elsewhere")["env=sea"].update == Times(15.5, 15.5, 15.5, 2)


def test_a_run_that_did_not_train_has_no_updates() -> None:
    assert ending(observed(healthy()), healthy()).update is None
    assert ending(observed(failed())).update == Times(0.1, 0.1, 0.1, 1)


ENDINGS = st.builds(
    Ending,
    outcome=st.sampled_from(["ran", "skipped", "unsatisfiable"]),
    verdict=st.sampled_from([None, "healthy", "deadlock", "slow-phase"]),
    signature=st.sampled_from([None, "a", "b"]),
    cause=st.sampled_from([None, "c"]),
    cell=st.sampled_from([None, "x", "y"]),
    update=st.lists(st.floats(0, 1e6), max_size=4).map(Times.of),
)
TRIALS = st.dictionaries(st.sampled_from("abcdef"), ENDINGS)


@settings(deadline=None, max_examples=50)
@given(TRIALS)
def test_nothing_changed_from_a_sweep_to_itself(trials: dict[str, Ending]) -> None:
    assert lists(compare_trials(trials, trials)) == {}


@settings(deadline=None, max_examples=50)
@given(TRIALS, TRIALS)
def test_each_trial_is_told_once(one: dict[str, Ending], other: dict[str, Ending]) -> None:
    found = lists(compare_trials(one, other))
    told = [label for name, labels in found.items() if name not in ("slower", "faster") for label in labels]
    assert len(told) == len(set(told))
    assert set(told) <= {*one, *other}
    assert compare_trials(one, other).compared == compare_trials(other, one).compared


@settings(deadline=None)
@given(st.lists(st.floats(0.001, 1e6), min_size=1))
def test_an_interval_holds_the_median(values: list[float]) -> None:
    times = Times.of(values)
    assert times is not None
    low, high = times.interval_s
    assert low <= times.median_s <= high
    ratio = Ratio.of(times, times)
    assert ratio is not None
    assert ratio.is_noise or ratio == Ratio(1.0, 1.0, 1.0)


def test_what_the_clock_can_t_tell_on_a_busy_machine_processor_time_does() -> None:
    waited = ((2.0, 9.0, 3.1, 8.0), (5.0, 9.1, 7.9, 6.0))
    computed = ((1.0, 1.1, 1.0, 1.05), (2.5, 2.6, 2.4, 2.5))
    one, two = (
        dataclasses.replace(took(*clock), update_cpu=Times.of(cpu)) for clock, cpu in zip(waited, computed, strict=True)
    )
    [change] = compare_trials({"a": one}, {"a": two}).slower
    assert change.pace is not None
    assert (round(change.pace.ratio, 1), change.pace.clock) == (2.4, PROCESSOR)
    assert lists(compare_trials({"a": took(*waited[0])}, {"a": took(*waited[1])})) == {}
    assert lists(compare_trials({"a": one}, {"a": dataclasses.replace(two, update_cpu=one.update_cpu)})) == {}


def test_a_few_hiccups_of_a_busy_machine_do_not_hide_a_slower_update() -> None:
    before, after = took(1.0, 1.1, 4.0, 1.0, 1.2, 1.1), took(2.5, 2.6, 7.0, 2.4, 2.5, 2.7)
    [change] = compare_trials({"a": before}, {"a": after}).slower
    assert change.pace is not None
    assert change.pace.clock == ELAPSED
    assert 2.0 < change.pace.ratio < 2.6


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 1e3), min_size=2, max_size=30), st.floats(0.1, 10))
def test_an_interval_by_ranks_holds_its_ratio_and_scales(values: list[float], factor: float) -> None:
    ratio = Ratio.of(Times.of(values), Times.of([factor * value for value in values]))
    assert ratio is not None
    assert ratio.low <= ratio.value <= ratio.high
    assert ratio.low <= factor * (1 + 1e-9)
    assert ratio.high >= factor * (1 - 1e-9)


def test_processor_time_comes_from_the_readings_of_the_updates(tmp_path: Path) -> None:
    iterations = tuple({"step": 64 * n, "collect_s": 1.0, "train_s": 4.0, "minibatches": 8} for n in (1, 2, 3))
    diagnosis = dataclasses.replace(healthy(), timing=dataclasses.replace(healthy().timing, iterations=iterations))
    rows = []
    for number in range(40):  # twice a second: half a core within updates, a whole one outside
        step, path = 64 * (1 + number // 10), ["train"] if number % 10 >= 2 else ["collect"]
        rows.append(
            {
                "at_s": number / 2, "runnable": 1, "step": step, "events": number, "path": path,
                "processes": [{"pid": 1, "cpu_s": sum(0.25 if n % 10 >= 2 else 0.5 for n in range(number + 1))}],
            }
        )  # fmt: skip
    (tmp_path / "readings.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = processor_of(diagnosis, tmp_path)
    assert found is not None
    assert found.update.median_s == pytest.approx(2.0)
    assert found.had_core == pytest.approx(0.6, abs=0.05)  # one thread wants to run all along
    assert processor_of(diagnosis, tmp_path / "gone") is None


def test_who_had_to_wait_for_a_core_is_compared_by_processor_time() -> None:
    quiet = dataclasses.replace(took(1.0, 1.0, 1.1), update_cpu=Times.of([1.0, 1.0, 1.1]), had_core=0.95)
    busy = dataclasses.replace(took(3.5, 3.6, 4.0), update_cpu=Times.of([1.1, 1.0, 1.2]), had_core=0.3)
    slower = dataclasses.replace(busy, update_cpu=Times.of([2.5, 2.6, 2.4]))
    assert lists(compare_trials({"a": quiet}, {"a": busy})) == {}
    assert lists(compare_trials({"a": busy}, {"a": quiet})) == {}
    assert lists(compare_trials({"a": quiet}, {"a": slower})) == {"slower": ["a"]}
    waits = dataclasses.replace(busy, had_core=0.95)  # for a disk, say: that is slower, whoever computes
    assert lists(compare_trials({"a": quiet}, {"a": waits})) == {"slower": ["a"]}
