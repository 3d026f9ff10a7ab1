"""A checkpoint against the one it is said to come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from repro.checkpoints.algorithms.interface import Stretch, Work
from repro.checkpoints.case import Case, Observed, Verdict
from repro.checkpoints.checkpoint import Checkpoint
from repro.checkpoints.evidence import kinship
from repro.checkpoints.evidence.comparison import Comparison, compared, moments
from repro.checkpoints.evidence.other_settings import explanation, throughout
from repro.checkpoints.optimisers import Optimiser


def against(case: Case) -> Iterator[Observed]:
    """Weights, moments and counts against the base's."""
    base = case.base
    if base is None:
        return
    weights = compared(case.checkpoint.weights, base.weights)
    if not weights.alike:
        yield Observed(
            "base-unrelated", f"it has no tensor of the shape and name of one of {base.name}: nothing to compare"
        )
        return
    remembered = compared(moments(case.checkpoint), moments(base))
    claimed = base.data.count("num_timesteps") or 0
    yield Observed("base", _told(weights, remembered, base, claimed), detail={"largest_difference": weights.largest})
    if weights.equal:
        yield from _same_weights(case, weights, remembered, claimed)
    elif weights.same_shape:
        yield from kinship.moved_too_far(case, base, weights)
        yield from kinship.unrelated(case, base, weights)
        yield from kinship.without_optimiser(case, base, weights, remembered)
        yield from kinship.close_moments(case, base, remembered)
        yield from _counts_without_moments(case, base, weights, remembered, claimed)
    yield from _since(case, base, claimed)


def _told(weights: Comparison, remembered: Comparison, base: Checkpoint, claimed: int) -> str:
    equal = sum(item.equal for item in weights.alike.values())
    says = f"{equal} of {len(weights.alike)} weight tensors equal those of {base.name} ({claimed:,} steps) byte by byte"
    if equal < len(weights.alike):
        says += f", the largest difference is {weights.largest:.3g}"
    if weights.adapted:
        says += f"; {len(weights.adapted)} have another shape or no counterpart"
    if remembered.alike:
        equal = sum(item.equal for item in remembered.alike.values())
        says += f"; {equal} of {len(remembered.alike)} optimiser moments are equal"
    return says


def _same_weights(case: Case, weights: Comparison, remembered: Comparison, claimed: int) -> Iterator[Observed]:
    base, taken = case.base, _taken(case.checkpoint)
    assert base is not None  # noqa: S101
    before, tensors = _taken(base), len(weights.alike)
    work = _work_since(case, claimed)
    if remembered.identical and taken == before and case.claim == claimed:
        yield Observed(
            "same-as-base",
            f"its {tensors} weight tensors, {len(remembered.alike)} optimiser moments and its count are the base's",
            Verdict.TRAINED,
            shown=case.claim,
        )
    elif not any(taken.values()) and case.never_learnt and case.claim <= claimed:
        yield Observed(
            "copied-from-base",
            f"a new model with the base's weights ({tensors} tensors equal), on which learn() was never called; its "
            f"count {case.claim:,} is no more than the base's {claimed:,}",
            Verdict.OPTIMISER_RESET,
            shown=case.claim,
        )
    elif case.claim > claimed and (remembered.identical or taken == before or not any(taken.values())):
        yield _nothing_trained(case, weights, remembered, claimed, work)
    elif not remembered.identical and any(taken.values()):
        yield Observed(
            "weights-are-the-base's",
            f"all {tensors} weight tensors equal the base's byte by byte, but its optimiser is another one, that has "
            f"taken {_steps(taken)} steps: the weights were copied in after the training",
            Verdict.WEIGHTS_REPLACED,
            shown=0,
        )
    else:
        yield from _counts_without_moments(case, base, weights, remembered, claimed)


def _nothing_trained(
    case: Case, weights: Comparison, remembered: Comparison, claimed: int, work: Work | None
) -> Observed:
    base = case.base
    assert base is not None  # noqa: S101
    taken, before, more = _taken(case.checkpoint), _taken(base), case.claim - claimed
    if work is not None and work.optimisers and not any(item.low for item in work.optimisers.values()):
        return Observed(
            "nothing-to-train-since-base",
            f"weights and optimiser are the base's, {more:,} steps earlier, as they may be: {work.says}, and an update "
            "may be still to come",
        )
    return Observed(
        "nothing-trained-since-base",
        f"it claims {more:,} steps more than the base's {claimed:,}, but its {len(weights.alike)} weight tensors"
        + (f" and {len(remembered.alike)} optimiser moments" if remembered.identical else "")
        + f" equal the base's byte by byte: no training took place ({_optimiser_since(taken, before)})",
        Verdict.COUNTER_EDITED,
        shown=claimed,
    )


def _counts_without_moments(
    case: Case, base: Checkpoint, weights: Comparison, remembered: Comparison, claimed: int
) -> Iterator[Observed]:
    taken, before = _taken(case.checkpoint), _taken(base)
    if not remembered.identical or taken == before:
        return
    what = "weights and moments are" if weights.equal else f"the optimiser's {len(remembered.alike)} moments are"
    yield Observed(
        "counts-without-moments",
        f"{what} the base's byte by byte, but its optimiser counts {_steps(taken)} steps where the base's counts "
        f"{_steps(before)}",
        Verdict.COUNTER_EDITED,
        shown=min(claimed, case.claim),
    )


def _work_since(case: Case, claimed: int) -> Work | None:
    return case.work(Stretch(claimed, case.claim, whole=(case.started or 0) <= claimed))


def _since(case: Case, base: Checkpoint, claimed: int) -> Iterator[Observed]:
    """The optimiser's steps since the base against the steps claimed since."""
    work = _work_since(case, claimed) if case.claim > claimed else None
    if work is None:
        return
    found = case.counting(work)
    if not found:
        return
    name = max(found, key=lambda each: work.optimisers[each].high)
    expected, item = work.optimisers[name], found[name]
    if not expected.low:
        return  # too few steps to tell
    taken = item.taken - _steps_of(base.optimisers.get(name))
    steps = case.claim - claimed
    if taken >= expected.low:
        yield Observed("optimiser-fits-since-base", _said(work, item, taken), Verdict.TRAINED, shown=case.claim)
        return
    if item.taken >= expected.low and taken:
        says = _said(work, item, item.taken)
        yield Observed("optimiser-younger-than-base", says, Verdict.OPTIMISER_RESET, shown=case.claim)
        return
    shown = claimed + steps * max(taken, 0) // max(expected.high, 1)
    other = _other_settings(case, claimed, name, taken)
    until = case.started
    if other is None:
        other, until = _loaded_with_others(case, base, claimed, name, taken), case.claim
    if other is not None:
        says = (
            f"{_said(work, item, taken)}. It would fit if the steps from {claimed:,} to {until:,} were made "
            f"with {other}: the file does not say"
        )
        yield Observed("other-settings-since-base", says, Verdict.CANNOT_TELL, shown=shown)
        return
    yield Observed("optimiser-short-since-base", _said(work, item, taken), Verdict.COUNTER_EDITED, shown=shown)


def _said(work: Work, item: Optimiser, done: int) -> str:
    exactly = ", exactly the base's" if not done else ""
    return f"{work.says}; {item.name} has taken {max(done, 0):,} since the base ({item.taken:,} in all{exactly})"


def _other_settings(case: Case, claimed: int, name: str, taken: int) -> str | None:
    """Of calls of ``learn`` between the base and the last one."""
    last = case.work(case.last_call)
    if last is None or name not in last.optimisers or not case.started or case.started <= claimed:
        return None
    return explanation(case, Stretch(claimed, case.started), name, taken - last.optimisers[name].high)


def _loaded_with_others(case: Case, base: Checkpoint, claimed: int, name: str, taken: int) -> str | None:
    """After one call of ``learn`` since the base, the file may have been loaded with its settings and saved again."""
    if (case.started or 0) > claimed:
        return None
    before = base.data.count("_n_updates")
    updates = None if case.updates is None or before is None else case.updates - before
    return throughout(case, Stretch(claimed, case.claim), {name: taken}, updates)


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
