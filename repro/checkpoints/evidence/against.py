"""A checkpoint against the one it is said to come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from repro.checkpoints.algorithms import of
from repro.checkpoints.algorithms.interface import Stretch
from repro.checkpoints.case import Case, Observed, Verdict
from repro.checkpoints.checkpoint import Checkpoint
from repro.checkpoints.evidence.weights import largest_step
from repro.checkpoints.optimisers import Optimiser
from repro.checkpoints.tensors import Likeness, Tensor, compare

_FACTOR = 1.05
_TARGETS = ("_target.", "target_net", "running_mean", "running_var", "num_batches_tracked")
"""What no optimiser moves, in parts of names."""


@dataclass(frozen=True)
class Comparison:
    """Tensors that both have, in the same shape."""

    alike: Mapping[str, Likeness]
    adapted: tuple[str, ...]
    """Those that have another shape, or that only one of them has."""

    @property
    def equal(self) -> bool:
        """Whether all that can be compared is equal byte by byte."""
        return bool(self.alike) and all(item.equal for item in self.alike.values())

    @property
    def same_shape(self) -> bool:
        """Whether both have the same tensors."""
        return bool(self.alike) and not self.adapted

    @property
    def largest(self) -> float:
        """The largest difference."""
        return max((item.largest for item in self.alike.values()), default=0.0)


def _compare(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> Comparison:
    shared = [name for name in mine if name in theirs and mine[name].shape == theirs[name].shape]
    return Comparison(
        {name: compare(mine[name], theirs[name]) for name in shared},
        tuple(sorted((set(mine) | set(theirs)) - set(shared))),
    )


def _moments(checkpoint: Checkpoint) -> dict[str, Tensor]:
    return {
        f"{item.name} {index} {key}": tensor
        for item in checkpoint.optimisers.values()
        for (index, key), tensor in item.moments.items()
    }


def against(case: Case) -> Iterator[Observed]:
    """Weights, moments and counts against the base's."""
    base = case.base
    if base is None:
        return
    weights = _compare(case.checkpoint.weights, base.weights)
    if not weights.alike:
        yield Observed(
            "base-unrelated", f"it has no tensor of the shape and name of one of {base.name}: nothing to compare"
        )
        return
    moments = _compare(_moments(case.checkpoint), _moments(base))
    claimed = base.data.count("num_timesteps") or 0
    taken, before = _taken(case.checkpoint), _taken(base)
    yield Observed("base", _told(weights, moments, base, claimed), detail={"largest_difference": weights.largest})
    if weights.equal:
        yield from _same_weights(case, weights, moments, claimed)
    elif weights.same_shape:
        yield from _moved(case, base, weights)
        if moments.equal and moments.same_shape and taken != before:
            yield Observed(
                "counts-without-moments",
                f"the optimiser's {len(moments.alike)} moments are the base's byte by byte, but it counts "
                f"{_steps(taken)} steps where the base's counts {_steps(before)}",
                Verdict.COUNTER_EDITED,
                shown=claimed,
            )
    yield from _since(case, base, claimed)


def _told(weights: Comparison, moments: Comparison, base: Checkpoint, claimed: int) -> str:
    equal = sum(item.equal for item in weights.alike.values())
    says = f"{equal} of {len(weights.alike)} weight tensors equal those of {base.name} ({claimed:,} steps) byte by byte"
    if equal < len(weights.alike):
        says += f", the largest difference is {weights.largest:.3g}"
    if weights.adapted:
        says += f"; {len(weights.adapted)} have another shape or no counterpart"
    if moments.alike:
        equal = sum(item.equal for item in moments.alike.values())
        says += f"; {equal} of {len(moments.alike)} optimiser moments are equal"
    return says


def _same_weights(case: Case, weights: Comparison, moments: Comparison, claimed: int) -> Iterator[Observed]:
    base, taken = case.base, _taken(case.checkpoint)
    assert base is not None  # noqa: S101
    before, tensors = _taken(base), len(weights.alike)
    identical = moments.equal and moments.same_shape
    if not any(taken.values()) and case.never_learnt and case.claim <= claimed:
        yield Observed(
            "copied-from-base",
            f"a new model with the base's weights ({tensors} tensors equal), on which learn() was never called; its "
            f"count {case.claim:,} is no more than the base's {claimed:,}",
            Verdict.OPTIMISER_RESET,
            shown=case.claim,
        )
    elif case.claim > claimed and (identical or taken == before or not any(taken.values())):
        yield Observed(
            "nothing-trained-since-base",
            f"it claims {case.claim - claimed:,} steps more than the base's {claimed:,}, but its {tensors} weight "
            "tensors"
            + (f" and {len(moments.alike)} optimiser moments" if identical else "")
            + f" equal the base's byte by byte: no training took place ({_optimiser_since(taken, before)})",
            Verdict.COUNTER_EDITED,
            shown=claimed,
        )
    elif not identical and any(taken.values()):
        yield Observed(
            "weights-are-the-base's",
            f"all {tensors} weight tensors equal the base's byte by byte, but its optimiser is another one, that has "
            f"taken {_steps(taken)} steps: the weights were copied in after the training",
            Verdict.WEIGHTS_REPLACED,
            shown=0,
        )
    elif identical and taken != before:
        yield Observed(
            "counts-without-moments",
            f"weights and moments are the base's byte by byte, but its optimiser counts {_steps(taken)} steps where "
            f"the base's counts {_steps(before)}",
            Verdict.COUNTER_EDITED,
            shown=min(claimed, case.claim),
        )


def _moved(case: Case, base: Checkpoint, weights: Comparison) -> Iterator[Observed]:
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
    stepped = [name for name in weights.alike if not any(part in name for part in _TARGETS)]
    parameters = {case.checkpoint.weights[name].storage for name in stepped}
    if len(parameters) > sum(item.n_parameters for item in mine.values()) or "n_critic_updates" in case.checkpoint.data:
        return  # TRPO moves its actor without an optimiser
    far = [name for name in stepped if weights.alike[name].largest > reach + 1e-6]
    if far:
        worst = max(far, key=lambda name: weights.alike[name].largest)
        yield Observed(
            "moved-too-far",
            f"between the base and this the optimiser took at most {steps:,} steps, which at learning rate {rate:g} "
            f"move a weight by {reach:.3g} at most; {worst} differs by {weights.alike[worst].largest:.3g} "
            f"({len(far)} of {len(stepped)} tensors are too far): these weights are not what became of the base's",
            Verdict.WEIGHTS_REPLACED,
            shown=0,
        )


def _since(case: Case, base: Checkpoint, claimed: int) -> Iterator[Observed]:
    """The optimiser's steps since the base against the steps claimed since."""
    if case.claim <= claimed:
        return
    stretch = Stretch(claimed, case.claim, whole=(case.started or 0) <= claimed)
    work = case.work(stretch)
    if work is None:
        return
    found = case.counting(work)
    since = {name: item.taken - _steps_of(base.optimisers.get(name)) for name, item in found.items()}
    for name, taken in since.items():
        expected = work.optimisers[name]
        if not expected.low:
            return  # too few steps to tell
        if taken >= expected.low:
            kind, verdict = "optimiser-fits-since-base", Verdict.TRAINED
        elif found[name].taken >= expected.low:
            kind, verdict = "optimiser-younger-than-base", Verdict.OPTIMISER_RESET
        else:
            kind, verdict = "optimiser-short-since-base", Verdict.COUNTER_EDITED
        done = found[name].taken if kind == "optimiser-younger-than-base" else taken
        exactly = ", exactly the base's" if not taken else ""
        yield Observed(
            kind,
            f"{work.says}; {name} has taken {done:,} since the base ({found[name].taken:,} in all{exactly})",
            verdict,
            shown=case.claim
            if verdict is not Verdict.COUNTER_EDITED
            else claimed + stretch.steps * max(taken, 0) // max(expected.high, 1),
        )
        return


def _steps_of(item: Optimiser | None) -> int:
    return item.taken if item else 0


def _taken(checkpoint: Checkpoint) -> dict[str, int]:
    return {name: item.taken for name, item in checkpoint.optimisers.items() if item.counts}


def _steps(taken: Mapping[str, int]) -> str:
    return f"{max(taken.values(), default=0):,}"


def _optimiser_since(taken: Mapping[str, int], before: Mapping[str, int]) -> str:
    if taken == before:
        return f"the optimiser has taken {_steps(taken)} steps, exactly the base's"
    return f"the optimiser counts {_steps(taken)} steps, the base's {_steps(before)}"
