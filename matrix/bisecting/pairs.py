"""The pairs that show a culprit among changes, where some candidates had to be replaced by others."""

from __future__ import annotations

from matrix.bisect.certificate import Pair
from matrix.bisect.groups import Changes, Groups
from matrix.bisecting.changes import changes_of
from matrix.bisecting.search import Space


def tried_pairs(bisector: Groups, space: Space[Changes]) -> tuple[Pair, ...]:
    """
    The pairs that show the culprit, each candidate as it was tried: with what it can't be made without.

    A pair is left out if no run tells its two sides apart.
    """
    conclusion = bisector.conclusion
    if conclusion is None or not conclusion.found:
        return ()
    found: dict[tuple[object, object], Pair] = {}
    for pair in bisector.pairs:
        sides = []
        for side in (changes_of(pair.good), changes_of(pair.bad)):
            nearest = space.instead(side)[0] if not any(bisector.runs(side)) else side
            sides.append(side if nearest is None else nearest)
        good, bad = sides
        runs = (*bisector.runs(good), *bisector.runs(bad))
        if good != bad and runs[1] and runs[2]:
            less = len(good) < len(changes_of(pair.good)) or len(bad) < len(changes_of(pair.bad))
            instead = "without what requires it" if less else "with what it requires"
            words = pair.shows if sides == [pair.good, pair.bad] else f"{pair.shows}, tried {instead}"
            found.setdefault((good, bad), Pair(words, good, bad, *runs))
    return tuple(found.values())
