"""The weights by themselves: as on the first day, or older than their optimiser."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from repro.checkpoints.case import Case, Observed, Verdict
from repro.checkpoints.checkpoint import WEIGHTS
from repro.checkpoints.optimisers import Optimiser
from repro.checkpoints.tensors import Tensor

_HEADS = ("mlp_extractor.", "action_net.", "value_net.")
_FACTOR = 1.05
"""Leeway for rounding."""


def largest_step(item: Optimiser) -> float | None:
    """
    How far one step can move a parameter, in learning rates; None if it is not bounded by what is known here.

    Adam moves by m / sqrt(v); Cauchy's inequality bounds that by (1 - b1) / sqrt((1 - b2) (1 - b1² / b2)), RMSprop
    without momentum by 1 / sqrt(1 - alpha). Weight decay moves it further.
    """
    bounds = []
    for group in item.groups:
        options = group.options
        if options.get("weight_decay") not in (0, 0.0) or options.get("maximize"):
            return None
        betas = options.get("betas")
        if item.kind == "Adam" and isinstance(betas, (tuple, list)) and len(betas) == 2:
            first, second = betas
            if not all(isinstance(beta, float) and 0 <= beta < 1 for beta in betas) or first**2 >= second:
                return None
            bounds.append(max(1.0, (1 - first) / np.sqrt((1 - second) * (1 - first**2 / second))))
        elif item.kind == "RMSprop" and options.get("momentum") in (0, 0.0):
            alpha = options.get("alpha")
            if not isinstance(alpha, float) or not 0 <= alpha < 1 or options.get("centered"):
                return None
            bounds.append(1 / np.sqrt(1 - alpha))
        else:
            return None
    return float(max(bounds)) if bounds else None


def _biases(case: Case) -> dict[str, Tensor]:
    if case.algorithm is None or not case.algorithm.zero_biases:
        return {}
    kwargs = case.checkpoint.data.value("policy_kwargs")
    if not isinstance(kwargs, dict) or kwargs.get("ortho_init") is False:
        return {}
    weights = case.checkpoint.weights
    return {name: item for name, item in weights.items() if name.endswith(".bias") and name.startswith(_HEADS)}


def there(case: Case) -> Iterator[Observed]:
    """Without its weights nobody can say what a model is."""
    if not case.checkpoint.weights:
        why = case.checkpoint.unread.get(WEIGHTS, "it is not in the file, or holds no tensors")
        yield Observed("weights-unread", f"{WEIGHTS} can't be read: {why}", Verdict.CANNOT_TELL, shown=0)


def untrained(case: Case) -> Iterator[Observed]:
    """Biases that are all zero are those of a network that was just made; any step ends that."""
    biases = _biases(case)
    item = case.checkpoint.optimisers.get("policy.optimizer")
    if not biases or item is None or not item.taken:
        return
    largest = max(float(np.abs(block).max()) for bias in biases.values() for block in bias.blocks())
    moved = any(float(np.abs(block).max()) for tensor in item.moments.values() for block in tensor.blocks())
    if largest == 0 and moved:
        yield Observed(
            "untrained-weights",
            f"all {len(biases)} biases of its networks are exactly 0, as in a network that was just made; the "
            f"optimiser has taken {item.taken:,} steps",
            Verdict.WEIGHTS_REPLACED,
            shown=0,
        )
        return
    bound, rate, work = largest_step(item), case.checkpoint.data.number("learning_rate"), case.work(case.whole)
    expected = work.optimisers.get(item.name) if work else None
    if bound is None or rate is None or case.started or expected is None or "n_critic_updates" in case.checkpoint.data:
        return  # TRPO moves its actor without an optimiser
    # Only if all its steps are those of one call of learn: an earlier one may have had a larger learning rate.
    reach = item.taken * abs(rate) * bound * _FACTOR
    if item.taken <= expected.high and largest > reach and all(group.learning_rate == rate for group in item.groups):
        yield Observed(
            "weights-older-than-optimiser",
            f"{item.taken:,} optimiser steps at learning rate {rate:g} move a bias from 0 to {reach:.3g} at most; the "
            f"largest is {largest:.3g}. So the weights began as another model's. Whether they are what became of "
            "those by this training, only --against that model can tell",
            Verdict.OPTIMISER_RESET,
        )
