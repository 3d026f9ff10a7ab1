"""Claims about the freeze, tested on the trials that ran."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matrix.analysis.results import Result, matched_pairs
from matrix.plan.claims import Claim
from matrix.plan.parameters import Level

_SHOWN_CELLS = 6
"""A claim's outcome names at most so many."""


class ClaimOutcome(str, enum.Enum):
    """What became of a claim."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    NOT_TESTABLE = "not testable here"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class ClaimResult:
    """A claim, its outcome and the evidence."""

    claim: Claim
    outcome: ClaimOutcome
    sentence: str
    cells: tuple[str, ...] = ()
    """Labels of the trials that show it."""


def check(claim: Claim, results: Sequence[Result]) -> ClaimResult:
    """
    Whether a claim holds.

    :param results: all trials that have an outcome, whether they ran or not.
    """
    if claim.test is None:
        return ClaimResult(claim, ClaimOutcome.NOT_TESTABLE, f"This sweep can't tell: it needs {claim.needs}.")
    return _of_pairs(claim, results) if claim.factor else _of_verdicts(claim, results)


def _of_pairs(claim: Claim, results: Sequence[Result]) -> ClaimResult:
    factor = claim.factor or ""
    pairs = list(matched_pairs(factor, (result for result in results if result.ran), claim.where))
    if not pairs:
        return ClaimResult(
            claim,
            ClaimOutcome.NOT_TESTABLE,
            f"No two trials that ran differ in {factor} only{_at(claim.where)}{_why_missing(claim.where, results)}.",
        )
    changed = [pair for pair in pairs if not pair.alike]
    shown = changed or pairs
    first, second = (side.observation.signature for side in (shown[0].first, shown[0].second))
    ends = f"{first} and {second}" if changed else str(first)
    sentence = (
        f"{len(pairs) - len(changed)} of {len(pairs)} matched pairs, which differ in {factor} only, end alike "
        f"({len(changed)} differ); for example: {ends}{_rest(claim, results)}."
    )
    holds = bool(changed) == (claim.test == "differs")
    labels = dict.fromkeys(side.trial.label for pair in shown for side in (pair.first, pair.second))
    return ClaimResult(claim, _outcome(holds), sentence, tuple(labels)[:_SHOWN_CELLS])


def _of_verdicts(claim: Claim, results: Sequence[Result]) -> ClaimResult:
    all_ran = [result for result in results if result.ran]
    ran = [result for result in all_ran if result.matches(claim.where)]
    showing = [result for result in ran if result.observation.verdict in claim.verdicts]
    names = " or ".join(map(str, claim.verdicts))
    if not ran:
        elsewhere = [result for result in all_ran if result.observation.verdict in claim.verdicts]
        return ClaimResult(
            claim,
            ClaimOutcome.NOT_TESTABLE,
            f"No trial ran{_at(claim.where)}{_why_missing(claim.where, results)}; of the {len(all_ran)} that ran "
            f"elsewhere, {len(elsewhere)} ended in {names}.",
            tuple(result.trial.label for result in elsewhere[:_SHOWN_CELLS]),
        )
    sentence = f"{len(showing)} of {len(ran)} trials that ran{_at(claim.where)} ended in {names}"
    holds = bool(showing) == (claim.test == "occurs")
    labels = tuple(result.trial.label for result in (showing or ran)[:_SHOWN_CELLS])
    return ClaimResult(claim, _outcome(holds), f"{sentence}{_rest(claim, results)}.", labels)


def _rest(claim: Claim, results: Sequence[Result]) -> str:
    """What a reader must know who takes the outcome for the whole truth."""
    not_run = sum(not result.ran and result.matches(claim.where) for result in results)
    return f"; {not_run} more did not run{_why_missing(claim.where, results)}" if not_run else ""


def _why_missing(where: Mapping[str, Level], results: Sequence[Result]) -> str:
    reasons = Counter(result.observation.headline for result in results if not result.ran and result.matches(where))
    return f" ({', '.join(reasons)})" if reasons else ""


def _outcome(holds: bool) -> ClaimOutcome:
    return ClaimOutcome.CONFIRMED if holds else ClaimOutcome.REFUTED


def _at(where: Mapping[str, Level]) -> str:
    return f" at {', '.join(f'{name}={level}' for name, level in where.items())}" if where else ""
