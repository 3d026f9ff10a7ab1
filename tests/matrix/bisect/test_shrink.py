from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.bisect import Choice, Items, Observation, Outcome, Shrink, Shrinkable, Whole
from matrix.bisect.shrink import Configuration
from tests.matrix.bisect.simulation import run

START: dict[str, Any] = {
    "n_steps": 2048,
    "n_envs": 8,
    "env": "original",
    "wrappers": ["monitor", "normalize", "stack", "clip"],
    "gamma": 0.99,
}
ENVS = ("dummy", "v3", "original")
HOW: dict[str, Shrinkable] = {
    "n_steps": Whole(1),
    "n_envs": Whole(1),
    "env": Choice(ENVS),
    "wrappers": Items(),
}


@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(1, 2048),
    envs=st.integers(1, 8),
    env=st.sampled_from(ENVS),
    wrappers=st.sets(st.sampled_from(START["wrappers"])),
)
def test_the_smallest_configuration_that_freezes_is_found(steps: int, envs: int, env: str, wrappers: set[str]) -> None:

    def freezes(candidate: Configuration) -> float:
        values = dict(candidate)
        return float(
            values["n_steps"] >= steps
            and values["n_envs"] >= envs
            and ENVS.index(values["env"]) >= ENVS.index(env)
            and wrappers <= set(values["wrappers"])
        )

    shrink = Shrink(START, HOW)
    run(shrink, freezes)
    assert shrink.found is not None
    found = dict(shrink.found)
    assert (found["n_steps"], found["n_envs"], found["env"]) == (steps, envs, env)
    assert found["wrappers"] == tuple(name for name in START["wrappers"] if name in wrappers)
    assert found["gamma"] == START["gamma"]
    assert all(pair.good_passes > 0 for pair in shrink.pairs)


def test_the_smallest_so_far_is_there_at_any_time_and_froze() -> None:
    shrink = Shrink(START, HOW)
    frozen = [tuple(shrink.start)]
    for _ in range(25):
        suggestion = shrink.suggest()
        if suggestion is None:
            break
        freezes = dict(suggestion.candidate)["n_envs"] >= 3
        shrink.tell(Observation(suggestion.candidate, Outcome.FREEZE if freezes else Outcome.PASS))
        if freezes:
            frozen.append(suggestion.candidate)
        assert tuple(shrink.smallest.items()) in frozen


def test_a_freeze_that_comes_now_and_then_is_not_shrunk_away() -> None:
    shrink = Shrink({"n_envs": 8}, {"n_envs": Whole(1)})
    run(shrink, lambda candidate: 0.5 if dict(candidate)["n_envs"] >= 5 else 0.0, seed=3)
    assert shrink.smallest == {"n_envs": 5}


def test_what_does_not_freeze_at_all_has_no_smallest() -> None:
    shrink = Shrink(START, HOW)
    run(shrink, lambda _: 0.0)
    assert shrink.conclusion is not None
    assert not shrink.conclusion.found
    assert shrink.pairs == ()


def test_a_configuration_that_cannot_be_tried_counts_as_one_that_does_not_freeze() -> None:
    shrink = Shrink(START, HOW)
    run(shrink, lambda _: 1.0, outcome=lambda each: Outcome.UNRESOLVED if dict(each)["n_envs"] == 1 else None)
    assert shrink.smallest["n_envs"] == 2
    assert shrink.smallest["n_steps"] == 1


def test_steps_of_a_whole_number_are_kept() -> None:
    shrink = Shrink({"batch": 256}, {"batch": Whole(32, step=32)})
    tried: list[int] = []

    def freezes(candidate: Configuration) -> float:
        tried.append(dict(candidate)["batch"])
        return float(tried[-1] >= 100)

    run(shrink, freezes)
    assert shrink.smallest == {"batch": 128}
    assert all(batch % 32 == 0 for batch in tried)


@pytest.mark.parametrize(
    ("configuration", "how", "words"),
    [
        ({"a": 1}, {"b": Whole()}, "'b', which is to shrink, is not in the configuration"),
        ({"a": {"nested": 1}}, {}, "'a' is a dict; give a number, a string or a list"),
    ],
)
def test_configurations_that_are_none_are_refused(configuration: dict[str, Any], how: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Shrink(configuration, how)


def test_a_candidate_of_other_names_is_refused() -> None:
    with pytest.raises(ValueError, match="a configuration of n_steps, n_envs"):
        Shrink(START, HOW).tell(Observation((("a", 1),), Outcome.PASS))
