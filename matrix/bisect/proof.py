"""What has to be run to prove that a set of changes is the culprit, and a least one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One candidate of a proof."""

    culprit: frozenset[int]
    """Units; empty for "no culprit"."""
    made: frozenset[int]
    """Units that the candidate has."""
    freezes: bool = False
    """Whether it is to freeze."""
    of_the_bad_end: bool = False
    """Whether it is the bad end without the culprit."""

    @property
    def ends(self) -> bool:
        """Whether it is one of both ends, which are to fare alike."""
        return not self.culprit


def proof_of(culprit: frozenset[int], units: int) -> list[Step]:
    """
    Both directions, then each set with one unit less.

    :param units: how many there are.
    """
    everything = frozenset(range(units))
    if not culprit:
        return [Step(culprit, everything), Step(culprit, frozenset())]
    return [
        Step(culprit, culprit, freezes=True),
        Step(culprit, everything - culprit, of_the_bad_end=True),
        *(Step(culprit, culprit - {unit}) for unit in sorted(culprit)),
    ]
