from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.bisect import Linear, Observation, Outcome
from tests.matrix.bisect.simulation import ITEMS, from_on, run


@settings(max_examples=60, deadline=None)
@given(size=st.integers(2, 40), data=st.data())
def test_a_freeze_that_comes_every_time_is_found_at_each_place(size: int, data: st.DataObject) -> None:
    items = [str(at) for at in range(size)]
    first_bad = data.draw(st.integers(1, size - 1))
    bisector = Linear(items)
    runs = run(bisector, lambda item: float(int(item) >= first_bad))
    assert bisector.conclusion is not None
    assert bisector.conclusion.culprit == (str(first_bad),)
    assert runs <= 16


def test_a_freeze_that_comes_now_and_then_is_found() -> None:
    for seed in range(5):
        bisector = Linear(ITEMS)
        run(bisector, from_on("2.7", 0.5), seed=seed)
        assert bisector.conclusion is not None
        assert bisector.conclusion.culprit == ("2.7",)


def test_a_good_side_that_freezes_now_and_then_does_not_mislead() -> None:
    for seed in range(5):
        bisector = Linear(ITEMS)
        run(bisector, from_on("2.7", 0.8, 0.05), seed=seed)
        assert bisector.conclusion is not None
        assert bisector.conclusion.culprit == ("2.7",)


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_no_culprit_where_all_fare_alike(rate: float) -> None:
    bisector = Linear(ITEMS)
    assert run(bisector, lambda _: rate) <= 60
    conclusion = bisector.conclusion
    assert conclusion is not None
    assert not conclusion.found
    assert "drifted" in str(conclusion)
    (pair,) = bisector.pairs
    assert (pair.good, pair.bad) == (ITEMS[0], ITEMS[-1])


def test_one_freeze_on_the_good_side_is_nearly_proof() -> None:
    bisector = Linear(ITEMS)
    bisector.replay([Observation("2.6", Outcome.PASS)] * 2)
    before = dict(bisector.posterior)
    bisector.replay([Observation("2.5", Outcome.FREEZE), Observation("2.11", Outcome.FREEZE)])
    after = dict(bisector.posterior)
    later = [(item,) for item in ITEMS[6:]]
    assert sum(before[item] for item in later) > 0.5
    assert sum(after[item] for item in later) < 0.3, "two passes weigh less than one freeze"


def test_versions_that_cannot_be_tried_are_stepped_around_and_named() -> None:
    stuck = {"2.5", "2.6"}
    bisector = Linear(ITEMS)
    run(bisector, from_on("2.6"), outcome=lambda item: Outcome.UNRESOLVED if item in stuck else None)
    conclusion = bisector.conclusion
    assert conclusion is not None
    assert {conclusion.culprit, *conclusion.alternatives} == {("2.5",), ("2.6",), ("2.7",)}
    assert set(conclusion.unresolved) == stuck
    assert "could not be tried: 2.5, 2.6" in str(conclusion)
    (pair,) = bisector.pairs
    assert (pair.good, pair.bad) == ("2.4", "2.7")
    certificate = bisector.certificate
    assert certificate is not None
    assert dict(certificate.unresolved) == dict.fromkeys(stuck, "unresolved")


def test_a_version_beside_the_culprit_that_cannot_be_tried_leaves_no_doubt_of_others() -> None:
    bisector = Linear(ITEMS)
    run(bisector, from_on("2.6"), outcome=lambda item: Outcome.UNRESOLVED if item == "2.9" else None)
    assert bisector.conclusion is not None
    assert bisector.conclusion.culprit == ("2.6",)
    assert bisector.conclusion.alternatives == ()
    assert bisector.conclusion.unresolved == ()


def test_nothing_is_suggested_where_nothing_can_be_tried() -> None:
    bisector = Linear(ITEMS)
    bisector.replay([Observation(item, Outcome.UNRESOLVED) for item in ITEMS])
    assert bisector.suggest() is None


def test_of_versions_that_tell_as_much_the_cheapest_is_tried() -> None:
    items = [str(at) for at in range(34)]
    built = "18"
    free, priced = Linear(items).suggest(), Linear(items, cost_s=lambda item: 1.0 if item == built else 60.0).suggest()
    assert free is not None
    assert free.candidate != built
    assert priced is not None
    assert priced.candidate == built


def test_a_cheap_version_that_tells_little_is_left() -> None:
    items = [str(at) for at in range(34)]
    suggestion = Linear(items, cost_s=lambda item: 0.001 if item == "1" else 60.0).suggest()
    assert suggestion is not None
    assert 10 < int(suggestion.candidate) < 24


def test_the_certificate_names_both_directions_and_the_cost() -> None:
    bisector = Linear(ITEMS, signature="barrier")
    while (suggestion := bisector.suggest()) is not None:
        frozen = ITEMS.index(suggestion.candidate) >= 4
        outcome = Outcome.FREEZE if frozen else Outcome.PASS
        bisector.tell(Observation(suggestion.candidate, outcome, "barrier" if frozen else None, 2.5))
    certificate = bisector.certificate
    assert certificate is not None
    assert certificate.culprit == ("2.4",)
    assert certificate.signature == "barrier"
    assert certificate.confidence >= bisector.threshold
    assert certificate.cost_s == pytest.approx(2.5 * certificate.runs)
    (pair,) = certificate.pairs
    assert (pair.good, pair.bad) == ("2.3", "2.4")
    assert pair.good_freezes == 0
    assert pair.bad_passes == 0
    assert pair.good_passes > 0
    assert pair.bad_freezes > 0


@pytest.mark.parametrize(
    ("items", "words"),
    [([], "at least two"), (["1"], "at least two"), (["1", "2", "1"], "'1' is in the list twice")],
)
def test_lists_that_are_none_are_refused(items: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Linear(items)


@settings(max_examples=25, deadline=None)
@given(stuck=st.sets(st.sampled_from(ITEMS), min_size=8), first_bad=st.sampled_from(ITEMS[1:]))
def test_a_search_ends_whatever_cannot_be_tried(stuck: set[str], first_bad: str) -> None:
    bisector = Linear(ITEMS)
    bisector.replay([Observation(item, Outcome.UNRESOLVED) for item in sorted(stuck)])
    assert run(bisector, from_on(first_bad), most=150) < 150
    conclusion = bisector.conclusion
    if conclusion is not None and conclusion.found:
        assert (first_bad,) in {conclusion.culprit, *conclusion.alternatives}
        assert set(conclusion.unresolved) <= stuck
