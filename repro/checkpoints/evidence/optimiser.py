"""What the optimisers counted themselves, against the steps that are claimed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from repro.checkpoints.algorithms.interface import Range, Stretch, Work
from repro.checkpoints.case import Case, Observed, Verdict
from repro.checkpoints.evidence.other_settings import explanation, throughout
from repro.checkpoints.optimisers import COUNTED_EXACTLY, Optimiser

_BROKEN_OFF = 20
"""Rollouts lost to interruptions that are still believed."""


def steps(case: Case) -> Iterator[Observed]:
    """The optimisers' steps against those that the settings make of ``num_timesteps``."""
    work = case.work(case.whole)
    if work is None or not work.optimisers or not case.claim:
        return
    found = case.counting(work)
    short = {name: item for name, item in found.items() if item.is_short_of(work.optimisers[name].low)}
    if not found:
        return
    if not short:
        yield from _fits(case, work, found)
        return
    name, item = max(short.items(), key=lambda pair: work.optimisers[pair[0]].high)
    shown = case.shown_by_optimiser or 0
    arithmetic = f"{work.says}; {name} has taken {item.taken:,}"
    if not item.steps:
        if not case.never_learnt:
            yield Observed(
                "optimiser-empty",
                f"{arithmetic}: it was made new after the last training, so it can't bear witness",
                Verdict.CANNOT_TELL,
                shown=0,
            )
        return
    explained = (
        _since_last_call(case, found, arithmetic)
        or _loaded_with_others(case, found, arithmetic, shown)
        or _before_last_call(case, found[name], arithmetic, shown)
    )
    yield explained or Observed("optimiser-short", arithmetic, Verdict.COUNTER_EDITED, shown=shown)


def _since_last_call(case: Case, found: Mapping[str, Optimiser], arithmetic: str) -> Observed | None:
    """An optimiser that is as old as the last call of ``learn``."""
    last = case.work(case.last_call)
    if not case.started or last is None or not case.last_call.steps:
        return None
    if not all(_within(found[key], last.optimisers[key]) for key in found):
        return None
    return Observed(
        "optimiser-since-start",
        f"{arithmetic}. That is what the last call of learn() makes: {last.says}. Those before step "
        f"{case.started:,} left it nothing: they were another model's, or it has a new optimiser since",
        Verdict.OPTIMISER_RESET,
        shown=case.last_call.steps,
    )


def _loaded_with_others(case: Case, found: Mapping[str, Optimiser], arithmetic: str, shown: int) -> Observed | None:
    """Settings that explain all counts, of the whole training or, if it began anew then, of the last call."""
    taken = {name: item.taken for name, item in found.items()}
    stretches = [case.whole, case.last_call] if case.started else [case.whole]
    for stretch in stretches:
        other = throughout(case, stretch, taken, case.updates)
        if other is None:
            continue
        which = f"it was trained with {other},"
        if stretch.begin:
            which = f"those before {stretch.begin:,} were another model's, it was trained since then with {other},"
        return Observed(
            "other-settings-throughout",
            f"{arithmetic}. All counts would fit to the last step if {which} then loaded with the present settings and "
            "saved again: the file does not say",
            Verdict.CANNOT_TELL,
            shown=max(shown, stretch.steps) if stretch.begin else shown,
        )
    return None


def _before_last_call(case: Case, item: Optimiser, arithmetic: str, shown: int) -> Observed | None:
    """What would explain too few optimiser steps if the last call of ``learn`` made all of its own."""
    last = case.work(case.last_call)
    if not case.started or last is None:
        return None
    name = item.name
    earlier = item.taken - last.optimisers[name].high
    missing = (case.claim - shown) // max(case.pause or 1, 1)
    other = explanation(case, Stretch(0, case.started), name, earlier)
    if other:
        return Observed(
            "other-settings-before",
            f"{arithmetic}. It would fit if the first {case.started:,} steps were made with {other}: the file does not "
            "say",
            Verdict.CANNOT_TELL,
            shown=max(shown, case.last_call.steps),
        )
    if earlier >= 0 and 0 < missing <= _BROKEN_OFF and case.grain > 1:
        return Observed(
            "broken-off-before",
            f"{arithmetic}. It would fit if training was broken off about {missing} times in the middle of a rollout, "
            "in calls of learn() before the last, and continued: the file does not say",
            Verdict.CANNOT_TELL,
            shown=shown,
        )
    return None


def _fits(case: Case, work: Work, found: Mapping[str, Optimiser]) -> Iterator[Observed]:
    for name, item in found.items():
        expected = work.optimisers[name]
        if item.taken > expected.high:
            more = (
                f"{work.says}; {name} has taken {item.taken:,}, more than that: a model that learn() was called on "
                "again, which counts its steps anew, or one with an older model's optimiser"
            )
            yield Observed("optimiser-did-more", more, Verdict.TRAINED, shown=case.claim)
        else:
            yield Observed(
                "optimiser-fits", f"{work.says}; {name} has taken {item.taken:,}", Verdict.TRAINED, shown=case.claim
            )
        return


def _within(item: Optimiser, expected: Range) -> bool:
    return expected.low <= item.taken <= expected.high


def counts(case: Case) -> Iterator[Observed]:
    """Whether the counts are counts, and alike for all parameters."""
    for item in case.checkpoint.optimisers.values():
        odd = next((value for value in item.steps.values() if value < 0 or value != int(value)), None)
        if odd is not None:
            yield Observed(
                "no-count",
                f"{item.name} says that a parameter took {odd:g} steps, which is no count",
                Verdict.INCONSISTENT,
            )
        elif item.uneven:
            values = sorted(set(item.steps.values()))
            yield Observed(
                "uneven-counts",
                f"{item.name} stepped some parameters {values[0]:,.0f} times and others {values[-1]:,.0f}, as it does "
                "if some were frozen or had no gradient for a while",
            )
        if item.taken >= COUNTED_EXACTLY:
            yield Observed(
                "count-at-its-end", f"{item.name} counts in float32, which stands still at {COUNTED_EXACTLY:,} steps"
            )


def uncounted(case: Case) -> Iterator[Observed]:
    """What should have counted, but did not or can't be read."""
    if case.algorithm is None:
        yield Observed(
            "unknown-algorithm",
            "its settings are those of no algorithm of stable-baselines3 or sb3-contrib that is known here, so that "
            "nothing says how many optimiser steps its steps make",
        )
        return
    if case.missing_setting is not None:
        yield Observed(
            "setting-missing", f"{case.missing_setting} is not in the file, so nothing can be computed from it"
        )
    for item in case.checkpoint.optimisers.values():
        if not item.counts:
            yield Observed("optimiser-counts-nothing", f"{item.name} ({item.kind}) does not count its steps")
    for member, why in case.checkpoint.unread.items():
        if member.endswith("optimizer.pth"):
            yield Observed("optimiser-unread", f"{member} can't be read: {why}")
    if not case.algorithm.has_optimiser:
        yield Observed("no-optimiser", "ARS has no optimiser that would have counted")
    elif not case.checkpoint.optimisers and not case.checkpoint.unread:
        yield Observed("optimiser-missing", "no optimiser is in the file")
