from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.bisect import Bisector, Linear, Observation, Outcome
from tests.matrix.bisect.simulation import ITEMS, KINDS

TOLD = st.lists(
    st.tuples(st.sampled_from(list(Outcome)), st.sampled_from([None, "barrier", "queue"]), st.integers(0, 3)),
    max_size=25,
)
"""How runs end: their outcome, the freeze's signature, and whether the suggested candidate is tried (3) or another."""


def told(bisector: Bisector[Any], ends: list[tuple[Outcome, str | None, int]]) -> None:
    known: list[Any] = []
    for seconds, (outcome, signature, which) in enumerate(ends):
        suggestion = bisector.suggest()
        if suggestion is not None:
            known.append(suggestion.candidate)
        candidate = known[-1 if which == 3 else which % len(known)]
        bisector.tell(Observation(candidate, outcome, signature, float(seconds)))


def seen(bisector: Bisector[Any]) -> tuple[object, ...]:
    """All that a search says."""
    return (
        bisector.suggest(),
        [(culprit, pytest.approx(probability)) for culprit, probability in bisector.posterior],
        bisector.conclusion,
        bisector.certificate,
        bisector.signature,
        dict(bisector.excluded),
    )


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(ends=TOLD)
def test_a_search_is_its_observations_alone(kind: str, ends: list[tuple[Outcome, str | None, int]]) -> None:
    bisector = KINDS[kind]()
    told(bisector, ends)
    other = KINDS[kind]()
    other.from_json(json.loads(json.dumps(bisector.to_json())))
    assert other.observations == bisector.observations
    assert seen(other) == seen(bisector)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(ends=TOLD, back=st.integers(1, 25))
def test_what_was_told_can_be_taken_back(kind: str, ends: list[tuple[Outcome, str | None, int]], back: int) -> None:
    bisector = KINDS[kind]()
    told(bisector, ends)
    everything = bisector.observations
    kept = max(0, len(ends) - back)
    before = KINDS[kind]()
    before.replay(everything[:kept])
    taken = [bisector.undo() for _ in range(len(ends) - kept)]
    assert bisector.observations == everything[:kept]
    assert taken == list(reversed(everything[kept:]))
    assert seen(bisector) == seen(before)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(ends=TOLD)
def test_probabilities_are_those_of_one_distribution(kind: str, ends: list[tuple[Outcome, str | None, int]]) -> None:
    bisector = KINDS[kind]()
    told(bisector, ends)
    probabilities = [probability for _, probability in bisector.posterior]
    assert all(-1e-9 <= probability <= 1 + 1e-9 for probability in probabilities)
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) <= 1 + 1e-6
    if (conclusion := bisector.conclusion) is not None:
        assert bisector.suggest() is None
        assert 0 <= conclusion.probability <= 1


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(ends=TOLD)
def test_what_cannot_be_tried_is_not_suggested_again(kind: str, ends: list[tuple[Outcome, str | None, int]]) -> None:
    bisector = KINDS[kind]()
    told(bisector, ends)
    suggestion = bisector.suggest()
    assert suggestion is None or suggestion.candidate not in bisector.excluded


def test_nothing_can_be_taken_back_from_an_empty_search() -> None:
    with pytest.raises(IndexError, match="no observation"):
        Linear(ITEMS).undo()


def test_another_freeze_is_no_match() -> None:
    bisector = Linear(ITEMS, signature="barrier")
    bisector.tell(Observation("2.5", Outcome.FREEZE, "queue"))
    bisector.tell(Observation("2.6", Outcome.FREEZE, "barrier"))
    bisector.tell(Observation("2.7", Outcome.FREEZE))
    assert bisector.runs("2.5") == (0, 0)
    assert bisector.runs("2.6") == (1, 0)
    assert bisector.runs("2.7") == (1, 0), "without a signature nothing speaks against it"


def test_the_first_freeze_says_what_is_sought() -> None:
    bisector = Linear(ITEMS)
    bisector.tell(Observation("2.11", Outcome.FREEZE, "barrier"))
    bisector.tell(Observation("2.4", Outcome.FREEZE, "queue"))
    assert bisector.signature == "barrier"
    assert bisector.runs("2.4") == (0, 0)
    bisector.undo()
    bisector.undo()
    assert bisector.signature is None


def test_a_slow_run_passes() -> None:
    bisector = Linear(ITEMS)
    bisector.tell(Observation("2.4", Outcome.SLOW))
    assert bisector.runs("2.4") == (0, 1)


def test_another_failure_may_be_chance_and_is_tried_once_more() -> None:
    bisector = Linear(ITEMS)
    candidate = "2.4"
    bisector.tell(Observation(candidate, Outcome.OTHER_FAILURE))
    assert candidate not in bisector.excluded
    bisector.tell(Observation(candidate, Outcome.OTHER_FAILURE))
    assert bisector.excluded == {candidate: Outcome.OTHER_FAILURE}
    assert bisector.runs(candidate) == (0, 0)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ([], "an observation is a JSON object"),
        ({"candidate": "2.4"}, "lacks 'outcome'"),
        ({"candidate": "2.4", "outcome": "hung"}, "'hung' of an observation is none of: freeze, pass"),
        ({"candidate": "2.4", "outcome": "pass", "signature": 3}, "neither a string nor null"),
        ({"candidate": "2.4", "outcome": "pass", "seconds": True}, "not a number of at least 0"),
        ({"candidate": "2.4", "outcome": "pass", "seconds": -1}, "not a number of at least 0"),
        ({"candidate": "2.4", "outcome": "pass", "seconds": float("nan")}, "not a number of at least 0"),
        ({"candidate": {"a": 1}, "outcome": "pass"}, "holds no JSON object"),
        ({"candidate": "9.9", "outcome": "pass"}, "none of the list's items"),
        ({"candidate": ["2.4"], "outcome": "pass"}, "none of the list's items"),
    ],
)
def test_malformed_observations_are_told_in_words(written: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Linear(ITEMS).from_json([written])


@pytest.mark.parametrize("threshold", [0.4, 1.0, float("nan")])
def test_a_threshold_that_is_none_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        Linear(ITEMS, threshold=threshold)
