"""What the ledger of ``freezelab extend`` tells of a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator

from repro.checkpoints.case import Case, Observed, Verdict


def ledger(case: Case) -> Iterator[Observed]:
    """The pieces that led to it."""
    told = case.ledger
    if told is None:
        return
    last, name = told.last, told.path.name
    if told.changed_line is not None:
        yield Observed(
            "ledger-changed",
            f"line {told.changed_line} of {name} does not follow from the one before it: somebody has changed the "
            "ledger, so it bears no witness",
        )
    elif last is None:
        end = f"; its {len(told.pieces)} pieces end at step {told.pieces[-1].end:,}" if told.pieces else ""
        yield Observed("ledger-silent", f"{name} tells of no checkpoint with this one's SHA-256{end}")
    elif last.end != case.claim:
        yield Observed(
            "ledger-contradicts",
            f"{name} says that piece {last.number} left this very file at step {last.end:,}, and num_timesteps says "
            f"{case.claim:,}",
            Verdict.INCONSISTENT,
        )
    elif told.gap is not None:
        yield Observed(
            "ledger-gap",
            f"in {name} piece {told.gap.number} does not begin with the weights that the one before it ended with",
        )
    else:
        upto = told.pieces[: told.pieces.index(last) + 1]
        yield Observed(
            "ledger-fits",
            f"{name} tells of this very file (by its SHA-256): {len(upto)} pieces from step {upto[0].begin:,} to "
            f"{last.end:,}, the last on {last.at}, each of which began with the weights that the one before it ended "
            "with",
            Verdict.TRAINED,
            shown=case.claim,
        )
