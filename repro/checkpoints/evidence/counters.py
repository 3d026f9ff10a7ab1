"""The counters against each other: steps, progress, updates."""

from __future__ import annotations

import math
from collections.abc import Iterator

from repro.checkpoints.algorithms.interface import Work
from repro.checkpoints.case import Case, Observed, Verdict


def progress(case: Case) -> Iterator[Observed]:
    """
    ``_current_progress_remaining`` is 1 - steps / ``_total_timesteps``, set after each rollout (on-policy) or step.

    So it remembers the count of steps, and someone who edits the one forgets the other. It holds whatever the
    settings were, and whether or not they changed.
    """
    claim, started, position, pause = case.claim, case.started or 0, case.position, case.pause
    if started > claim:
        yield Observed(
            "start-after-end",
            f"learn() began its last call at step {started:,}, after the {claim:,} that num_timesteps says",
            Verdict.INCONSISTENT,
        )
        return
    if position is None or pause is None:
        return
    exact = (case.total or 0) * (1 - (case.remaining or 0.0))
    if not math.isclose(exact, round(exact), rel_tol=1e-9, abs_tol=1e-3):
        yield Observed(
            "progress-between-steps",
            f"a progress of {1 - (case.remaining or 0):.6g} of {case.total:,.10g} steps is step {exact:,.2f}: training "
            "never stands between two steps",
            Verdict.INCONSISTENT,
        )
        return
    source = f"_current_progress_remaining {case.remaining:.6g} of _total_timesteps {case.total:,.10g}"
    if position > claim:
        yield Observed(
            "counter-behind-progress",
            f"{source} puts training at step {position:,}, beyond the {claim:,} that num_timesteps says",
            Verdict.INCONSISTENT,
        )
    elif claim - position > pause:
        yield Observed(
            "counter-ahead-of-progress",
            f"{source} puts training at step {position:,}; num_timesteps says {claim:,}, {claim - position:,} more, "
            f"though the two are never further apart than {pause:,}",
            Verdict.COUNTER_EDITED,
            shown=max(position, 0),
        )
    elif (position - started) % case.grain:
        yield Observed(
            "uneven-rollouts",
            f"from step {started:,} to {position:,}, where training stood, are {position - started:,} steps: "
            f"no whole number of rollouts of n_steps {case.grain:,}",
            Verdict.INCONSISTENT,
        )
    else:
        yield Observed("progress-fits", f"{source} puts training at step {position:,}, as num_timesteps {claim:,} says")


def never_learnt(case: Case) -> Iterator[Observed]:
    """A count that was set on a model which ``learn`` was never called on."""
    if not case.never_learnt or not case.claim or any(item.taken for item in case.checkpoint.optimisers.values()):
        return
    if case.algorithm is not None and not case.algorithm.has_optimiser:
        return
    yield Observed(
        "set-by-hand",
        f"learn() was never called on this model and its optimiser has taken no step: num_timesteps {case.claim:,} was "
        "set by hand. If its weights are another model's, whose count was carried over, give that one with --against",
        Verdict.COUNTER_EDITED,
        shown=0,
    )


def updates(case: Case) -> Iterator[Observed]:
    """``_n_updates`` against the steps, and against the optimiser that steps exactly as often."""
    work = case.work(case.whole)
    if case.updates is None or work is None or case.algorithm is None or not case.claim:
        return
    expected = work.updates
    if expected is not None and not case.started and not case.never_learnt and case.updates < expected.low:
        yield Observed(
            "updates-short",
            f"_n_updates is {case.updates:,}, and {case.claim:,} steps would make it {expected}",
            Verdict.COUNTER_EDITED,
            shown=case.claim * case.updates // max(expected.high, 1),
        )
    yield from _in_place_of_the_optimiser(case, work)
    name = case.algorithm.updates_are
    optimiser = case.checkpoint.optimisers.get(name or "")
    if optimiser is None or not optimiser.counts or not optimiser.steps:
        return
    if optimiser.taken < case.updates:
        yield Observed(
            "updates-exceed-optimiser",
            f"_n_updates is {case.updates:,}, but {name}, which steps once for each, took {optimiser.taken:,} steps",
        )
    elif optimiser.taken == case.updates:
        yield Observed("updates-fit", f"_n_updates {case.updates:,} is what {name} counted, too")


def _in_place_of_the_optimiser(case: Case, work: Work) -> Iterator[Observed]:
    """SGD does not count its steps; ``_n_updates`` does, and the progress is a count of its own."""
    optimisers, expected, updates = case.checkpoint.optimisers.values(), work.updates, case.updates or 0
    if not optimisers or case.checkpoint.unread or any(item.counts for item in optimisers) or expected is None:
        return
    position, pause = case.position, case.pause
    if position is None or pause is None or not 0 <= case.claim - position <= pause or not 0 < expected.low <= updates:
        return
    kinds = " and ".join(sorted({item.kind for item in optimisers}))
    yield Observed(
        "updates-fit-steps",
        f"{kinds} counts no steps, but _n_updates is {updates:,}, and {case.claim:,} steps make it {expected}; the "
        f"progress is at step {position:,}, too",
        Verdict.TRAINED,
        shown=case.claim,
    )


def epochs(case: Case) -> Iterator[Observed]:
    """PPO: each epoch makes a step for each minibatch, but for the last one of an update that ``target_kl`` ended."""
    work = case.work(case.whole)
    if work is None or work.updates is None or case.updates is None or case.started or case.algorithm is None:
        return
    optimiser = next(iter(case.counting(work).values()), None)
    if optimiser is None or case.algorithm.updates_are or "n_epochs" not in case.checkpoint.data:
        return
    n_epochs = case.settings.positive("n_epochs")
    if not work.updates.low <= case.updates <= work.updates.high:
        return
    minibatches = next(iter(work.optimisers.values())).high // max(1, work.updates.high)
    unfinished = work.updates.high // n_epochs if case.checkpoint.data.number("target_kl") is not None else 0
    most, least = case.updates * minibatches, (case.updates - unfinished) * minibatches
    # Older releases count n_epochs for an update even if target_kl has ended it early.
    old = bool(unfinished) and case.updates % n_epochs == 0
    if optimiser.taken < least and not old:
        yield Observed(
            "epochs-without-steps",
            f"_n_updates counts {case.updates:,} epochs of {minibatches} minibatches, of which target_kl can have cut "
            f"short {unfinished:,}: at least {least:,} optimiser steps, where {optimiser.taken:,} were taken",
            Verdict.COUNTER_EDITED,
            shown=case.claim * optimiser.taken // max(1, least),
        )
    elif optimiser.taken > most:
        yield Observed(
            "more-steps-than-epochs",
            f"_n_updates counts {case.updates:,} epochs of {minibatches} minibatches, {most:,} optimiser steps at "
            f"most; {optimiser.taken:,} were taken",
        )
