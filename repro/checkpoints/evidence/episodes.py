"""The episodes that a checkpoint remembers: the last hundred, by a Monitor."""

from __future__ import annotations

from collections.abc import Iterator

from repro.checkpoints import records
from repro.checkpoints.case import Case, Observed, Verdict

_LONG = 10
"""How many times the longest episode the unrecorded steps must be to be remarkable."""
_SHARE = 0.25
"""Of all steps, likewise."""
_LONGER = 4
"""How many times longer the iterations of ARS may have been than the last one."""
_UNCOUNTED = 64
"""Steps that ARS may drop in an iteration: it counts whole rounds of its worker processes."""


def episodes(case: Case) -> Iterator[Observed]:
    """Recorded lengths against the steps since the record began."""
    found = records.episodes(case.checkpoint.data)
    finished = case.checkpoint.data.count("_episode_num") or 0
    if finished > case.claim:
        yield Observed(
            "more-episodes-than-steps",
            f"_episode_num counts {finished:,} episodes in {case.claim:,} steps",
            Verdict.INCONSISTENT,
        )
    if found is not None and case.algorithm is not None and not case.algorithm.has_optimiser:
        yield from _last_iteration(case, found)
        return
    if found is None or not found.lengths:
        return
    total, n_envs = sum(found.lengths), case.settings.n_envs
    says = f"{len(found.lengths):,} episodes of {total:,} steps in all are on record"
    whole = found.limit is not None and len(found.lengths) < found.limit and not case.started
    gap = case.claim - total
    if whole and gap > max(_LONG * n_envs * max(found.lengths), _SHARE * case.claim):
        says = (
            f"{says}, which are all since it began counting; the other {gap:,} of {case.claim:,} would be of episodes "
            f"that had not ended, though none on record was longer than {max(found.lengths):,}"
        )
        optimiser = case.shown_by_optimiser
        if optimiser is None or abs(optimiser - total) > n_envs * max(found.lengths) + (case.pause or 0):
            yield Observed("steps-without-episodes", says, Verdict.CANNOT_TELL, shown=total)
            return
        says += f". The optimiser, which knows nothing of episodes, took the steps of {optimiser:,}, too"
        yield Observed("steps-without-episodes", says, Verdict.COUNTER_EDITED, shown=optimiser)
        return
    yield Observed("episodes", says)


def _last_iteration(case: Case, found: records.Episodes) -> Iterator[Observed]:
    """ARS keeps the episodes of its last iteration, and the progress of where that began."""
    delta, each = case.settings.get("n_delta"), case.settings.get("n_eval_episodes")
    position, total, n_envs = case.position, sum(found.lengths), case.settings.n_envs
    if position is None or delta is None or each is None:
        return
    # Several environments go on stepping until the last of them is done; separate processes count a few steps less.
    low, high = position + total - min(_UNCOUNTED, total // 4), position + total * n_envs
    says = f"by the progress its last iteration began at step {position:,}, and its episodes have {total:,} steps"
    if len(found.lengths) != 2 * delta * each or position < case.claim < low:
        yield _unfinished_iteration(case, found, each, position, says)
        return
    if low <= case.claim <= high:
        yield Observed("iteration-fits", f"{says}: that ends at {case.claim:,}", Verdict.TRAINED, shown=case.claim)
        if case.updates is not None and case.claim > _LONGER * max(case.updates, 1) * total * n_envs:
            yield Observed(
                "iterations-too-few",
                f"_n_updates counts {case.updates:,} iterations, which would have had "
                f"{case.claim // max(case.updates, 1):,} steps each, though the last had {total:,}",
                Verdict.CANNOT_TELL,
                shown=case.last_call.steps,
            )
        return
    yield Observed(
        "iteration-elsewhere",
        f"{says}: that ends at {position + total:,}, not at {case.claim:,}",
        Verdict.COUNTER_EDITED if high < case.claim else Verdict.INCONSISTENT,
        shown=min(max(high, 0), case.claim),
    )


def _unfinished_iteration(case: Case, found: records.Episodes, each: int, position: int, says: str) -> Observed:
    """
    A callback saved within an iteration: episodes of the candidates before the present one are on record, or all of
    them while worker processes' steps are still being counted.
    """
    candidate = _LONGER * max(found.lengths, default=0) * each * case.settings.n_envs
    usual = position // case.updates if case.updates else 0
    most = position + max(sum(found.lengths) + candidate, usual)
    if position <= case.claim <= most:
        says = f"{says}: it was saved within that iteration, at step {case.claim:,}"
        return Observed("iteration-unfinished", says, Verdict.TRAINED, shown=case.claim)
    says = f"{says}; it was saved within that iteration, and nothing tells how far that had come"
    return Observed("iteration-unfinished", says, Verdict.CANNOT_TELL, shown=min(position, case.claim))
