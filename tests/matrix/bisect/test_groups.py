from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.bisect import Factors, Groups, Observation, Outcome
from matrix.bisect.groups import Changes
from matrix.plan.parameters import Level
from tests.matrix.bisect.simulation import needs, parts, run

NAMES = tuple(f"package{at}" for at in range(8))


def proves(groups: Groups, culprit: set[str]) -> None:
    """That the pairs show both directions and each proper subset."""
    shown = {pair.shows: pair for pair in groups.pairs}
    alone = shown["on the good end it is enough"]
    assert parts(alone.bad) == culprit
    assert alone.bad_freezes > 0
    needed = shown["it is needed"]
    assert parts(needed.good) == set(groups.changes) - culprit
    assert needed.good_passes > needed.good_freezes == 0
    for name in culprit:
        less = shown[f"{name} is needed"]
        assert parts(less.good) == culprit - {name}
        assert less.good_passes > less.good_freezes == 0


@pytest.mark.parametrize("size", [1, 2, 3])
def test_each_set_that_freezes_every_time_is_found_and_proven(size: int) -> None:
    for culprit in itertools.islice(itertools.combinations(NAMES, size), None, None, 7):
        groups = Groups(NAMES)
        assert run(groups, needs(*culprit)) <= 40
        assert groups.conclusion is not None
        assert groups.conclusion.culprit == culprit
        proves(groups, set(culprit))


@pytest.mark.parametrize("changes", [64, 150])
def test_a_pair_among_many_changes_is_found(changes: int) -> None:
    names = [f"package{at}" for at in range(changes)]
    groups = Groups(names)
    assert run(groups, needs("package9", "package40")) <= 28
    assert groups.conclusion is not None
    assert groups.conclusion.culprit == ("package9", "package40")
    proves(groups, {"package9", "package40"})


def test_a_pair_that_freezes_now_and_then_is_found() -> None:
    for seed in range(4):
        groups = Groups(NAMES)
        run(groups, needs("package1", "package6", rate=0.6), seed=seed)
        assert groups.conclusion is not None
        assert groups.conclusion.culprit == ("package1", "package6")


@pytest.mark.parametrize("culprit", [NAMES[:5], NAMES, NAMES[1::2]])
def test_a_culprit_larger_than_is_weighed_is_found_all_the_same(culprit: Changes) -> None:
    groups = Groups(NAMES)
    run(groups, needs(*culprit))
    assert groups.conclusion is not None
    assert groups.conclusion.culprit == culprit


def test_two_culprits_each_of_which_is_enough_one_is_proven_and_the_other_said() -> None:
    groups = Groups(NAMES)
    run(groups, lambda candidate: float({"package1"} <= set(candidate) or {"package5", "package6"} <= set(candidate)))
    conclusion = groups.conclusion
    assert conclusion is not None
    assert conclusion.culprit in {("package1",), ("package5", "package6")}
    assert any("another culprit" in pair.shows for pair in groups.pairs)


@pytest.mark.parametrize(("rate", "least"), [(0.0, 8), (0.5, 6), (1.0, 8)])
def test_no_culprit_where_all_fare_alike(rate: float, least: int) -> None:
    right = 0
    for seed in range(8):
        groups = Groups(NAMES)
        run(groups, lambda _: rate, seed=seed)
        right += groups.conclusion is not None and not groups.conclusion.found
    assert right >= least


def test_what_a_culprit_needs_is_not_said_to_be_guilty_too() -> None:
    required = {NAMES[0]: NAMES[1:3], NAMES[4]: NAMES[5:6]}

    def can_be_made(candidate: Changes) -> bool:
        return all(set(needed) <= set(candidate) for name, needed in required.items() if name in candidate)

    culprits: list[Changes] = [(NAMES[0],), (NAMES[3],), (NAMES[4], NAMES[6])]
    for culprit in culprits:
        groups = Groups(NAMES, needs=required)
        runs = run(
            groups,
            needs(*culprit),
            outcome=lambda candidate: None if can_be_made(candidate) else Outcome.UNRESOLVED,
        )
        assert groups.conclusion is not None
        assert groups.conclusion.culprit == culprit
        assert runs < 40


def test_a_large_culprit_of_changes_that_need_others_is_found_too() -> None:
    required = {NAMES[0]: NAMES[6:7], NAMES[5]: NAMES[7:]}
    groups = Groups(NAMES, needs=required)
    run(
        groups,
        needs(*NAMES[:6]),
        outcome=lambda candidate: (
            None
            if all(set(needed) <= set(candidate) for name, needed in required.items() if name in candidate)
            else Outcome.UNRESOLVED
        ),
    )
    assert groups.conclusion is not None
    assert groups.conclusion.culprit == NAMES[:6]


def test_changes_that_undo_each_other_end_in_a_set_that_freezes_and_no_less_does() -> None:
    def freezes(candidate: Changes) -> float:
        return float(len({"package0", "package3", "package5"} & set(candidate)) % 2)

    groups = Groups(NAMES)
    run(groups, freezes)
    conclusion = groups.conclusion
    assert conclusion is not None
    assert freezes(conclusion.culprit) == 1
    for name in conclusion.culprit:
        assert not freezes(tuple(other for other in conclusion.culprit if other != name))


def test_what_moves_together_is_one_unit_and_said_to_be_inseparable() -> None:
    groups = Groups(NAMES, together=[("package1", "package2"), ("package2", "package4")])
    tried: list[Changes] = []

    def freezes(candidate: Changes) -> float:
        tried.append(candidate)
        return float("package2" in candidate)

    run(groups, freezes)
    unit = ("package1", "package2", "package4")
    assert all(not set(unit) & set(candidate) or set(unit) <= set(candidate) for candidate in tried)
    assert groups.conclusion is not None
    assert groups.conclusion.culprit == unit
    assert groups.certificate is not None
    assert groups.certificate.inseparable == (unit,)


@settings(max_examples=15, deadline=None)
@given(
    culprit=st.sets(st.sampled_from(NAMES[:6]), min_size=1, max_size=2),
    stuck=st.sets(st.frozensets(st.sampled_from(NAMES[:6]), min_size=1, max_size=5), max_size=6),
)
def test_candidates_that_cannot_be_tried_are_stepped_around(culprit: set[str], stuck: set[frozenset[str]]) -> None:
    groups = Groups(NAMES[:6])
    runs = run(
        groups,
        needs(*culprit),
        most=150,
        outcome=lambda candidate: Outcome.UNRESOLVED if frozenset(candidate) in stuck else None,
    )
    assert runs < 150
    conclusion = groups.conclusion
    assert conclusion is not None
    if conclusion.found:
        assert culprit <= set(conclusion.culprit), "what was concluded freezes"
        if set(conclusion.culprit) != culprit:
            assert conclusion.unresolved, "a smaller set would have had to be tried"


def test_the_proof_that_could_not_be_run_is_named() -> None:
    groups = Groups(NAMES)
    alone = ("package2",)
    run(groups, needs("package2"), outcome=lambda made: Outcome.UNRESOLVED if made == alone else None)
    assert groups.conclusion is not None
    assert groups.conclusion.culprit == alone
    assert groups.conclusion.unresolved == ("package2",)


def test_another_failure_of_a_mixture_is_no_freeze() -> None:
    groups = Groups(NAMES, signature="barrier")

    def outcome(candidate: Changes) -> Outcome | None:
        return Outcome.OTHER_FAILURE if "package0" in candidate and "package7" not in candidate else None

    run(groups, needs("package3"), outcome=outcome)
    assert groups.conclusion is not None
    assert groups.conclusion.culprit == ("package3",)


def test_factors_are_those_that_differ_and_make_whole_cells() -> None:
    good: dict[str, Level] = {"env": "dummy", "device": "cpu", "n_envs": 1, "gamma": 0.99}
    bad: dict[str, Level] = {"env": "original", "device": "cuda", "n_envs": True, "gamma": 0.99}
    factors = Factors(good, bad)
    assert factors.changes == ("env", "device", "n_envs")
    assert factors.cell(("device",)) == {**good, "device": "cuda"}
    assert factors.cell(factors.changes) == bad
    run(factors, needs("env", "device"))
    assert factors.conclusion is not None
    assert factors.conclusion.culprit == ("env", "device")


def test_cells_without_a_difference_are_refused() -> None:
    with pytest.raises(ValueError, match="the good and the bad cell are the same"):
        Factors({"env": "a"}, {"env": "a"})
    with pytest.raises(ValueError, match="only one of both cells has 'device'"):
        Factors({"env": "a"}, {"env": "b", "device": "cpu"})


@pytest.mark.parametrize(
    ("changes", "together", "words"),
    [
        ([], [], "there is no change"),
        (["a", "b", "a"], [], "'a' is among the changes twice"),
        (["a"], [["a", "z"]], "'z', which is to move together with others, is none of the changes"),
    ],
)
def test_changes_that_are_none_are_refused(changes: list[str], together: list[list[str]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Groups(changes, together=together)


def test_candidates_that_are_none_are_refused() -> None:
    groups = Groups(NAMES, together=[NAMES[:2]])
    for candidate, words in (
        (("package9",), "'package9' is none of the changes"),
        (("package0",), "'package1' can only be changed together with package0, package1"),
        (("package5", "package4"), "not in their order"),
    ):
        with pytest.raises(ValueError, match=words):
            groups.tell(Observation(candidate, Outcome.PASS))


def test_many_candidates_that_cannot_be_tried_are_no_reason_to_give_up_the_posterior() -> None:
    names = [f"package{at}" for at in range(20)]

    def outcome(made: Changes) -> Outcome | None:
        # Half of all mixtures: those in which one package is not of the same end as another.
        return Outcome.UNRESOLVED if ("package3" in made) != ("package11" in made) else None

    groups = Groups(names)
    run(groups, needs("package7", "package16"), outcome=outcome)
    assert groups.conclusion is not None
    assert groups.conclusion.culprit == ("package7", "package16")
    proves(groups, {"package7", "package16"})
