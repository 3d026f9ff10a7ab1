"""Whether weights and moments can be what became of the base's by optimiser steps."""

from __future__ import annotations

import math
from collections.abc import Iterator

from repro.checkpoints.algorithms import of
from repro.checkpoints.case import Case, Observed, Verdict
from repro.checkpoints.checkpoint import Checkpoint
from repro.checkpoints.evidence.comparison import Comparison
from repro.checkpoints.evidence.weights import largest_step
from repro.checkpoints.tensors import Likeness

_FACTOR = 1.05
"""Leeway for rounding."""
_LARGE, _ENOUGH = 256, 1024
"""Numbers of a tensor whose angle tells something, and of all of those together."""
_SIGMAS = 4.0
_GROWN = 4.0
"""How many times longer a tensor may have grown in training for its angle to tell."""
_FORGOTTEN = 100
"""Optimiser steps after which a first moment remembers nothing of an earlier one: 0.9 to the power of 100 is 3e-5."""
_ALIKE = 0.05
"""Difference of moments, relative to their length, that no new gradients leave."""


def moved_too_far(case: Case, base: Checkpoint, weights: Comparison) -> Iterator[Observed]:
    """No optimiser step moves a weight further than its learning rate times a bound."""
    mine, theirs = case.checkpoint.optimisers, base.optimisers
    rates = [
        value for item in (*mine.values(), *theirs.values()) for group in item.groups if (value := group.learning_rate)
    ]
    constants = [checkpoint.data.number("learning_rate") for checkpoint in (case.checkpoint, base)]
    if any(rate is None for rate in constants) or not rates or case.algorithm is None or of(base.data) is None:
        return
    reach, steps = 0.0, 0
    rate = max(*rates, *(abs(value) for value in constants if value is not None))
    for name, item in mine.items():
        bound, earlier = largest_step(item), theirs[name].taken if name in theirs else 0
        if bound is None or not item.counts or not item.steps:
            return
        # Which of the two it is, nothing says: the base's optimiser that went on, or a new one.
        since = max(item.taken, earlier - item.taken)
        reach, steps = max(reach, since * rate * bound * _FACTOR), max(steps, since)
    stepped = weights.stepped
    parameters = {case.checkpoint.weights[name].storage for name in stepped}
    if len(parameters) > sum(item.n_parameters for item in mine.values()) or _moves_without_optimiser(case):
        return
    far = [name for name, item in stepped.items() if item.largest > reach + 1e-6]
    if far:
        worst = max(far, key=lambda name: stepped[name].largest)
        yield Observed(
            "moved-too-far",
            f"between the base and this the optimiser took at most {steps:,} steps, which at learning rate {rate:g} "
            f"move a weight by {reach:.3g} at most; {worst} differs by {stepped[worst].largest:.3g} "
            f"({len(far)} of {len(stepped)} tensors are too far): these weights are not what became of the base's",
            Verdict.WEIGHTS_REPLACED,
            shown=0,
        )


def unrelated(case: Case, base: Checkpoint, weights: Comparison) -> Iterator[Observed]:
    """
    Training adds to weights, so that they keep to the direction they came from; those of another model are at right
    angles to them, as any two random directions in many dimensions are: their cosine is 0 ± 1 / sqrt(numbers).
    """
    decays = (
        group.options.get("weight_decay") not in (None, 0, 0.0)
        for checkpoint in (case.checkpoint, base)
        for item in checkpoint.optimisers.values()
        for group in item.groups
    )
    if any(decays):
        return
    large = {name: item for name, item in weights.stepped.items() if item.size >= _LARGE and item.cosine is not None}
    total = sum(item.size for item in large.values())
    if total < _ENOUGH:
        return
    for item in large.values():
        longer = math.sqrt(item.squares[0] / item.squares[1])
        if abs(item.cosine or 0.0) > _SIGMAS / math.sqrt(item.size) or not 1 / _GROWN < longer < _GROWN:
            return
    worst = max(large, key=lambda name: large[name].size)
    yield Observed(
        "unrelated-weights",
        f"its weights have nothing of the base's: {worst} ({large[worst].size:,} numbers) and the base's have the "
        f"cosine {large[worst].cosine:.3f}, and so it is with all {len(large)} large tensors; those of two models that "
        f"were made independently have 0 ± {1 / math.sqrt(large[worst].size):.3f}, and training does not turn a tensor "
        "of about the same length so far",
        Verdict.WEIGHTS_REPLACED,
        shown=0,
    )


def without_optimiser(case: Case, base: Checkpoint, weights: Comparison, moments: Comparison) -> Iterator[Observed]:
    """Weights that moved while the optimiser stood still."""
    if not moments.identical or _moves_without_optimiser(case) or not _same_counts(case.checkpoint, base):
        return
    changed = [name for name, item in weights.stepped.items() if not item.equal]
    if not changed:
        return
    claimed = base.data.count("num_timesteps") or 0
    says = (
        f"its {len(moments.alike)} optimiser moments equal the base's byte by byte and count as many steps, so no "
        f"step lies between them; yet {len(changed)} weight tensors differ, by up to {weights.largest:.3g}: they were "
        "changed by something else than training"
    )
    more = case.claim > claimed
    yield Observed(
        "changed-without-optimiser",
        f"{says}, and it claims {case.claim - claimed:,} steps more" if more else says,
        Verdict.COUNTER_EDITED if more else Verdict.WEIGHTS_REPLACED,
        shown=claimed if more else 0,
    )


def close_moments(case: Case, base: Checkpoint, moments: Comparison) -> Iterator[Observed]:
    """First moments are those of the last gradients: after some steps nothing of earlier ones is left in them."""
    if not moments.same_shape or moments.equal:
        return
    for name, item in case.checkpoint.optimisers.items():
        other = base.optimisers.get(name)
        if other is None or abs(item.taken - other.taken) < _FORGOTTEN or not _forgets(item.groups[0].options):
            continue
        keys = [key for key in moments.alike if key.startswith(f"{name} ") and key.endswith(" exp_avg")]
        first = [moments.alike[key] for key in keys if moments.alike[key].squares[1]]
        # A single number, such as the entropy coefficient's, may have the same gradient all the time.
        if sum(found.size for found in first) < _LARGE or not all(_apart(found) < _ALIKE for found in first):
            continue
        farthest = max(map(_apart, first))
        yield Observed(
            "moments-of-base",
            f"{name} counts {item.taken:,} steps where the base's counts {other.taken:,}, but its first moments, "
            f"which hold little more than the last ten gradients, are the base's within {farthest:.1%}",
            Verdict.COUNTER_EDITED,
            shown=base.data.count("num_timesteps") or 0,
        )
        return


def _apart(found: Likeness) -> float:
    """How far the first is from the second, in lengths of the second."""
    mine, theirs = found.squares
    return math.sqrt(max(mine - 2 * found.product + theirs, 0.0) / theirs) if math.isfinite(mine) else math.inf


def _forgets(options: object) -> bool:
    betas = options.get("betas") if isinstance(options, dict) else None
    return isinstance(betas, (tuple, list)) and len(betas) == 2 and isinstance(betas[0], float) and betas[0] <= 0.95


def _same_counts(first: Checkpoint, second: Checkpoint) -> bool:
    return {name: item.steps for name, item in first.optimisers.items()} == {
        name: item.steps for name, item in second.optimisers.items()
    }


def _moves_without_optimiser(case: Case) -> bool:
    return "n_critic_updates" in case.checkpoint.data  # TRPO moves its actor so
