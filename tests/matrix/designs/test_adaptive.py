from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.designs import Assignment, make_design
from matrix.designs.adaptive import Adaptive
from matrix.designs.explanations import Explanation
from matrix.designs.rates import Rates
from matrix.plan.constraints import Constraint
from matrix.plan.parameters import Level

SWITCHES: dict[str, list[Level]] = {f"f{at}": ["off", "on"] for at in range(8)}


def full(factors: Mapping[str, Sequence[Level]]) -> list[Assignment]:
    return list(make_design("full").assignments(factors))


def run(
    freeze: Callable[[Assignment], float],
    factors: Mapping[str, Sequence[Level]] = SWITCHES,
    candidates: Sequence[Assignment] | None = None,
    *,
    seed: int = 0,
    most: int = 150,
) -> tuple[Adaptive, int]:
    """Asks and tells until there is a conclusion; the design, and how many trials it took."""
    candidates = candidates or full(factors)
    random = np.random.default_rng([seed, 20260101])
    adaptive = Adaptive(factors, candidates, seed=seed)
    for trials in range(most):
        candidate = adaptive.ask()
        if candidate is None:
            return adaptive, trials
        adaptive.tell(candidate, bool(random.random() < freeze(candidates[candidate])))
    return adaptive, most


def test_two_levels_that_freeze_every_run_together_are_found() -> None:
    adaptive, trials = run(lambda a: a["f2"] == "on" and a["f5"] == "off")
    assert str(adaptive.conclusion) == "f2=on with f5=off"
    assert trials <= 36


def test_a_single_level_that_freezes_every_run_is_found() -> None:
    adaptive, trials = run(lambda a: a["f3"] == "off")
    assert str(adaptive.conclusion) == "f3=off"
    assert trials <= 24


def test_a_cause_is_found_in_the_noise_of_other_freezes() -> None:
    adaptive, _ = run(lambda a: 0.9 if a["f0"] == "on" else 0.1)
    assert str(adaptive.conclusion) == "f0=on"


def test_most_causes_are_named_rightly_and_none_is_made_up() -> None:
    right = sum(
        str(run(lambda a: 0.5 * (a["f4"] == "on" and a["f6"] == "off"), seed=seed)[0].conclusion) == "f4=on with f6=off"
        for seed in range(100, 140)
    )
    invented = sum(run(lambda _: 0.0, seed=seed, most=36)[0].conclusion != Explanation() for seed in range(100, 110))
    assert right >= 36
    assert invented == 0


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_when_all_cells_fare_alike_it_is_none_of_them(rate: float) -> None:
    adaptive, trials = run(lambda _: rate)
    assert adaptive.conclusion == Explanation()
    assert str(adaptive.conclusion) == "none of them"
    assert trials <= 36


def test_none_of_them_is_not_said_before_each_pair_of_levels_was_tried() -> None:
    candidates = full(SWITCHES)
    adaptive = Adaptive(SWITCHES, candidates)
    seen: set[tuple[tuple[str, Level], ...]] = set()
    while (candidate := adaptive.ask()) is not None:
        adaptive.tell(candidate, True)
        seen.update(itertools.combinations(candidates[candidate].items(), 2))
    assert len(seen) == 28 * 4


def test_it_starts_with_a_pairwise_array_of_the_candidates() -> None:
    factors: dict[str, list[Level]] = {"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2, 3], "d": [1, 2]}
    allowed = Constraint.parse("a == 1 implies b != 2")
    candidates = list(make_design("full").assignments(factors, allowed.holds))
    adaptive = Adaptive(factors, candidates)
    seen: set[tuple[tuple[str, Level], ...]] = set()
    for number in range(20):
        candidate = adaptive.ask()
        assert candidate is not None
        adaptive.tell(candidate, number % 2 == 0)
        seen.update(itertools.combinations(candidates[candidate].items(), 2))
    assert seen == {pair for each in candidates for pair in itertools.combinations(each.items(), 2)}


def test_causes_that_no_cell_can_tell_apart_are_named_together() -> None:
    factors: dict[str, list[Level]] = {"adapter": ["off", "on"], "env": ["dummy", "v3"], "device": ["cpu", "cuda"]}
    candidates = [a for a in full(factors) if (a["adapter"] == "on") == (a["env"] == "v3")]
    adaptive, _ = run(lambda a: a["adapter"] == "on", factors, candidates)
    conclusion = adaptive.conclusion
    assert conclusion is not None
    assert conclusion.confounded
    assert (("adapter", "on"),) in conclusion.alternatives
    assert (("env", "v3"),) in conclusion.alternatives
    assert str(conclusion).startswith("adapter=on or env=v3 or ")
    assert str(conclusion).endswith("(these cells can't tell which)")


def test_a_level_that_every_cell_has_explains_nothing() -> None:
    adaptive = Adaptive({"a": [1], "b": [1, 2]}, [{"a": 1, "b": 1}, {"a": 1, "b": 2}])
    assert {str(explanation) for explanation, _ in adaptive.posterior()} == {"none of them", "b=1", "b=2"}


def test_a_single_cell_leaves_nothing_to_find_out() -> None:
    adaptive = Adaptive({"a": [1]}, [{"a": 1}])
    assert adaptive.ask() is None
    assert adaptive.conclusion == Explanation()


def test_levels_that_python_takes_for_equal_are_told_apart() -> None:
    factors: dict[str, list[Level]] = {"a": [1, True], "b": [0, 1]}
    adaptive, _ = run(lambda a: a["a"] is True, factors)
    assert str(adaptive.conclusion) == "a=true"


def test_a_candidate_may_have_a_level_beside_its_factors() -> None:
    factors: dict[str, list[Level]] = {"a": [1, 2], "b": [1, 2]}
    candidates = [*full(factors), {"a": 3, "b": 1}]
    assert str(run(lambda a: a["a"] == 3, factors, candidates)[0].conclusion).startswith("a=3")


def test_trials_side_by_side_do_not_all_ask_the_same() -> None:
    adaptive = Adaptive(SWITCHES, full(SWITCHES))
    pending: list[int] = []
    for _ in range(24):
        candidate = adaptive.ask(pending)
        assert candidate is not None
        pending.append(candidate)
    assert len(set(pending)) >= 16


def test_what_is_out_is_no_conclusion() -> None:
    adaptive = Adaptive(SWITCHES, full(SWITCHES))
    for _ in range(60):
        assert adaptive.ask(range(40)) is not None
    assert adaptive.conclusion is None


def test_the_same_outcomes_ask_the_same() -> None:
    one, other = (run(lambda a: a["f0"] == "on", most=15)[0] for _ in range(2))
    assert one.ask() == other.ask()
    assert one.posterior() == other.posterior()


def test_of_cells_that_tell_as_much_the_quick_one_is_tried() -> None:
    candidates = full(SWITCHES)
    costs_s = [100.0 if candidate["f0"] == "on" else 1.0 for candidate in candidates]
    adaptive = Adaptive(SWITCHES, candidates, costs_s=costs_s)
    slow = 0
    for _ in range(40):
        candidate = adaptive.ask()
        if candidate is None:
            break
        adaptive.tell(candidate, candidates[candidate]["f3"] == "on" and candidates[candidate]["f4"] == "on")
        slow += candidates[candidate]["f0"] == "on"
    assert str(adaptive.conclusion) == "f3=on with f4=on"
    assert slow <= 10


def test_of_very_many_candidates_each_explanation_is_still_tried() -> None:
    factors: dict[str, list[Level]] = {f"f{at}": list(range(4)) for at in range(7)}
    adaptive, _ = run(lambda a: a["f1"] == 3 and a["f6"] == 0, factors)
    assert str(adaptive.conclusion) == "f1=3 with f6=0"


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=300))
def test_whatever_is_told_the_posterior_is_one(outcomes: list[tuple[int, bool]]) -> None:
    factors: dict[str, list[Level]] = {"a": [1, 2], "b": [1, 2], "c": [1, 2]}
    adaptive = Adaptive(factors, full(factors))
    for candidate, frozen in outcomes:
        adaptive.tell(candidate, frozen)
    probabilities = [probability for _, probability in adaptive.posterior()]
    assert sum(probabilities) == pytest.approx(1)
    assert probabilities == sorted(probabilities, reverse=True)
    assert (adaptive.ask() is None) == (adaptive.conclusion is not None)


def test_the_order_of_outcomes_makes_no_difference() -> None:
    outcomes = [(candidate, candidate % 3 == 0) for candidate in range(60)]
    posteriors = []
    for told in (outcomes, outcomes[::-1]):
        adaptive = Adaptive(SWITCHES, full(SWITCHES))
        for candidate, frozen in told:
            adaptive.tell(candidate, frozen)
        posteriors.append({str(explanation): probability for explanation, probability in adaptive.posterior()})
    assert posteriors[0] == pytest.approx(posteriors[1])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"candidates": []}, "no candidate"),
        ({"costs_s": [1.0]}, "a cost above 0 s for each of 256"),
        ({"costs_s": [0.0] * 256}, "a cost above 0 s"),
        ({"threshold": 1.0}, "threshold 1.0 is not between"),
    ],
)
def test_what_can_not_be_weighed_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Adaptive(**{"factors": SWITCHES, "candidates": full(SWITCHES), **changed})  # type: ignore[arg-type]


def test_an_explanation_knows_its_cells() -> None:
    explanation = Explanation(((("a", 1), ("b", False)),))
    assert explanation.holds({"a": 1, "b": False, "c": 3})
    assert not explanation.holds({"a": 1, "b": True, "c": 3})
    assert not Explanation().holds({"a": 1})
    assert str(explanation) == "a=1 with b=false"


def test_beliefs_in_rates_are_probabilities() -> None:
    rates = Rates.believed()
    assert rates.if_caused.sum() == pytest.approx(1)
    assert rates.if_none.sum() == pytest.approx(1)
    assert (rates.inside >= rates.outside)[rates.if_caused > 0].all()
