"""What an adaptive search concluded, and what else it holds possible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from matrix.analysis.analysis import Analysis
from matrix.analysis.search import Search
from reports import markdown as md
from reports import wording

if TYPE_CHECKING:
    from matrix.designs.explanations import Explanation

_SHOWN = 5


def sentence(found: Search) -> str:
    """The conclusion in plain text, with what it rests on."""
    best, probability = found.believed[0]
    after = f"after {wording.count(found.trials, 'run')}, of which {found.failed} failed"
    if found.conclusion is None:
        return (
            f"The adaptive search has no conclusion {after}: most probable is {plain(best)} ({_percent(probability)})."
        )
    if not best.alternatives:
        what = "no level and no two levels that were tried raise the probability of a failure"
    else:
        what = f"{plain(best)} {'raises' if len(best.conditions) == 1 else 'raise'} the probability of a failure"
    return f"The adaptive search concludes, {after}: {what} (probability {_percent(probability)})."


def search(analysis: Analysis) -> Iterator[str]:
    """The section; nothing for any other design."""
    found = analysis.search
    if found is None:
        return
    yield "## What the adaptive search concluded"
    told = [md.text(sentence(found))]
    if len(found.believed) > 1:
        runner_up, probability = found.believed[1]
        told.append(f"The runner-up is {md.text(plain(runner_up))}, at {_percent(probability)}.")
    if found.conclusion is None:
        told.append("With a larger `max_trials` or `budget_s` the sweep goes on where it stopped.")
    elif found.conclusion.confounded:
        told.append("The cells that may be tried can't tell these apart.")
    yield " ".join(told)
    yield md.table(
        ("explanation", "probability"),
        [(md.text(plain(item)), _percent(probability)) for item, probability in found.believed[:_SHOWN]],
        numeric=(1,),
    )
    yield (
        "Weighed against each other: that nothing which was varied matters, that one level raises the probability of a "
        "failure, or that two levels do together. What lies deeper, such as three levels at once, is not among these."
    )


def plain(item: Explanation) -> str:
    """An explanation in plain words."""
    if not item.alternatives:
        return "that nothing which was varied matters"
    words = [" with ".join(f"{name}={level}" for name, level in condition) for condition in item.alternatives[:3]]
    more = len(item.alternatives) - len(words)
    return wording.listed([*words, f"{more} more"] if more else words, "or")


def _percent(probability: float) -> str:
    """Never rounded up to certainty."""
    if probability >= 0.995:
        return "over 99 %"
    return "under 1 %" if probability < 0.005 else wording.percent(probability)
