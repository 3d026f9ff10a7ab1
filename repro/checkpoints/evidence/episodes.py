"""The episodes that a checkpoint remembers: the last hundred, by a Monitor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from repro.checkpoints.case import Case, Observed, Verdict
from repro.checkpoints.pickles import Made
from repro.checkpoints.torch_file import scalar

_LONG = 10
"""How many times the longest episode the unrecorded steps must be to be remarkable."""
_SHARE = 0.25
"""Of all steps, likewise."""


@dataclass(frozen=True)
class Episodes:
    """What ``ep_info_buffer`` holds."""

    lengths: tuple[int, ...]
    limit: int | None
    """How many it keeps; None if all of a stretch."""


def remembered(case: Case) -> Episodes | None:
    """The recorded episodes; None if there is no record."""
    value = case.checkpoint.data.value("ep_info_buffer")
    limit = None
    if isinstance(value, Made) and value.by("collections.deque"):
        arguments = value.arguments if isinstance(value.arguments, tuple) else ()
        limit = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], int) else None
        items: Any = value.items or (arguments[0] if arguments else [])
    else:
        items = value
    if not isinstance(items, list):
        return None
    lengths = []
    for item in items:
        length = item.get("l") if isinstance(item, dict) else None
        length = scalar(length) if isinstance(length, Made) else length
        if not isinstance(length, (int, float)) or not 0 < length < 1 << 53:
            return None
        lengths.append(int(length))
    return Episodes(tuple(lengths), limit)


def episodes(case: Case) -> Iterator[Observed]:
    """Recorded lengths against the steps since the record began."""
    found = remembered(case)
    finished = case.checkpoint.data.count("_episode_num") or 0
    if finished > case.claim:
        yield Observed(
            "more-episodes-than-steps",
            f"_episode_num counts {finished:,} episodes in {case.claim:,} steps",
            Verdict.INCONSISTENT,
        )
    if found is None or not found.lengths:
        return
    total, n_envs = sum(found.lengths), case.settings.n_envs
    says = f"{len(found.lengths):,} episodes of {total:,} steps in all are on record"
    if case.algorithm is not None and not case.algorithm.has_optimiser:
        yield from _last_iteration(case, total)
        return
    whole = found.limit is not None and len(found.lengths) < found.limit and not case.started
    gap = case.claim - total
    if whole and gap > max(_LONG * n_envs * max(found.lengths), _SHARE * case.claim):
        yield Observed(
            "steps-without-episodes",
            f"{says}, which are all since it began counting; the other {gap:,} of {case.claim:,} would be of episodes "
            f"that had not ended, though none on record was longer than {max(found.lengths):,}",
            Verdict.CANNOT_TELL,
            shown=total,
        )
        return
    yield Observed("episodes", says)


def _last_iteration(case: Case, total: int) -> Iterator[Observed]:
    """ARS keeps the episodes of its last iteration, and the progress of where that began."""
    position, started = case.position, case.started or 0
    if position is None:
        return
    if case.claim - total in (position, position - started):
        yield Observed(
            "last-iteration-fits",
            f"its last iteration began at step {case.claim - total:,} by the progress, and the episodes on record are "
            f"the {total:,} steps from there to {case.claim:,}",
            Verdict.TRAINED,
            shown=case.claim,
        )
    elif case.settings.n_envs == 1:
        yield Observed(
            "last-iteration-elsewhere",
            f"by the progress its last iteration began at step {position:,}, and the episodes on record have {total:,} "
            f"steps: that ends at {position + total:,}, not at {case.claim:,}",
            Verdict.COUNTER_EDITED if position + total < case.claim else Verdict.INCONSISTENT,
            shown=min(max(position + total, 0), case.claim),
        )
