from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.plan.conditions import Comparison, Joined, Node, Not
from matrix.plan.constraints import KEYWORDS, Constraint
from matrix.plan.parameters import Level

NAMES = st.sampled_from(["a", "b", "batch-size", "torch.cuda", "3", "nota"])
LEVELS: st.SearchStrategy[Level] = st.one_of(
    st.text(max_size=5), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans()
)
COMPARISONS = st.one_of(
    st.builds(Comparison, NAMES, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), st.tuples(LEVELS)),
    st.builds(
        Comparison, NAMES, st.sampled_from(["in", "not in"]), st.lists(LEVELS, min_size=1, max_size=3).map(tuple)
    ),
)


def joined(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(
        st.builds(Not, inner),
        st.builds(Joined, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Joined, st.just("implies"), st.tuples(inner, inner)),
    )


NODES: st.SearchStrategy[Node] = st.recursive(COMPARISONS, joined, max_leaves=5)
WORDS = st.lists(
    st.sampled_from(
        [
            *KEYWORDS,
            "env",
            "torch.x",
            "==",
            "<",
            "(",
            ")",
            "[",
            "]",
            ",",
            '"a"',
            "'b'",
            "1",
            "-2.5e3",
            '"',
            "\\",
            "=",
            "é",
        ]
    )
).map(" ".join)


def holds(text: str, **levels: Level) -> bool:
    return Constraint.parse(text).holds(levels)


@pytest.mark.parametrize(
    ("text", "levels", "expected"),
    [
        ('env == "v3"', {"env": "v3"}, True),
        ("env == 'v3'", {"env": "v4"}, False),
        ('env != "v3"', {"env": "v3"}, False),
        ("n_steps < 64", {"n_steps": 63}, True),
        ("n_steps < 64", {"n_steps": 64}, False),
        ("n_steps <= 64.0", {"n_steps": 64}, True),
        ("n_steps > -1", {"n_steps": 0}, True),
        ("n_steps >= 1_000", {"n_steps": 999}, False),
        ('env in ["a", "b"]', {"env": "b"}, True),
        ('env not in ["a", "b"]', {"env": "b"}, False),
        ("flag == true", {"flag": True}, True),
        ("flag == true", {"flag": 1}, False),
        ("count == 1", {"count": 1.0}, True),
        ("not flag == true", {"flag": True}, False),
        ("a == 1 or b == 1 and c == 1", {"a": 1, "b": 0, "c": 0}, True),
        ("(a == 1 or b == 1) and c == 1", {"a": 1, "b": 0, "c": 0}, False),
        ("a == 1 implies b == 1", {"a": 0, "b": 0}, True),
        ("a == 1 implies b == 1", {"a": 1, "b": 0}, False),
        ("a == 1 implies b == 1 implies c == 1", {"a": 1, "b": 1, "c": 0}, False),
        ("a == 1 implies b == 1 implies c == 1", {"a": 0, "b": 1, "c": 0}, True),
        ("batch-size == 2", {"batch-size": 2}, True),
        ('torch.cuda == "12.4"', {"torch.cuda": "12.4"}, True),
        (r'path == "C:\\x\"y"', {"path": 'C:\\x"y'}, True),
        (r"path == 'C:\x'", {"path": "C:\\x"}, True),
    ],
)
def test_a_constraint_means_what_it_says(text: str, levels: dict[str, Level], expected: bool) -> None:
    assert Constraint.parse(text).holds(levels) is expected


def test_versions_are_ordered_as_versions() -> None:
    assert holds('torch > "2.9"', torch="2.10.1")
    assert holds('torch <= "2.9"', torch="2.9.0")
    assert not holds('torch < "2.10"', torch="2.10")
    assert holds('torch < "2.10"', torch="2.10rc1")


def test_what_has_no_order_is_neither_smaller_nor_greater() -> None:
    assert not holds("env < 3", env="dummy")
    assert not holds("env >= 3", env="dummy")


def test_a_constraint_knows_its_factors() -> None:
    constraint = Constraint.parse("not (a == 1 and b in [2]) implies torch.x != 'y'")
    assert constraint.factors == {"a", "b", "torch.x"}
    assert constraint.text == "not (a == 1 and b in [2]) implies torch.x != 'y'"


def test_a_factor_that_is_not_there_breaks_nothing() -> None:
    assert holds("a == 1")
    assert holds("not a == 1")
    assert holds("a == 1 implies b == 1", a=1)
    assert not holds("a == 1 and b == 1", b=2)


@settings(deadline=None, max_examples=50)
@given(NODES, st.data())
def test_part_of_an_assignment_is_refused_only_if_no_whole_one_is_permitted(node: Node, data: Any) -> None:
    constraint = Constraint(str(node), node)
    names = sorted(constraint.factors)[:4]
    levels = {n: [9, "9", *(v for leaf in node.leaves() if leaf.name == n for v in leaf.levels)][-3:] for n in names}
    part = {name: data.draw(st.sampled_from(levels[name])) for name in names[::2]}
    rest = [name for name in names if name not in part]
    if not constraint.holds(part):
        for chosen in itertools.product(*(levels[name] for name in rest)):
            assert not constraint.holds({**part, **dict(zip(rest, chosen, strict=True))})


@settings(deadline=None, max_examples=50)
@given(NODES)
def test_what_is_printed_reads_the_same(node: Node) -> None:
    assert repr(Constraint.parse(str(node)).root) == repr(node)


@settings(deadline=None, max_examples=50)
@given(st.one_of(st.text(), WORDS))
def test_no_text_ends_in_anything_but_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        Constraint.parse(text)


@pytest.mark.parametrize("text", ["(" * 10_000, "not " * 10_000, "a == 1 implies " * 10_000, f"a == {'9' * 5000}"])
def test_a_monstrous_text_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Constraint.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at its end: expected a comparison that begins with a factor's name"),
        ("adapter == on", r"at character 12, 'on': expected a level: .* a string in quotes such as \"on\""),
        ("adapter = 'on'", "at character 9, \"= 'on'\": expected one of ==, !="),
        ("'on' == adapter", "at character 1, .*expected a comparison that begins with a factor's name"),
        ("a == 1 b == 2", "at character 8, 'b == 2': expected 'and', 'or', 'implies', or the end"),
        ("(a == 1", "at its end: expected '\\)'"),
        ("a in 1", "expected a list of levels"),
        ("a in [1 2]", "expected ',' or ']'"),
        ("a not 1", "expected 'in'"),
        ("a == 1e999", "at character 6, '1e999': expected a number that is not so long"),
        ("a == 2.5.1", 'a string in quotes such as "on"'),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_way_out(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Constraint.parse(text)


FACTORS: Mapping[str, list[Level]] = {"env": ["dummy", "v3"], "n_steps": [64, 128], "torch": ["2.5.1", "2.10.0"]}


@pytest.mark.parametrize("text", ["env == 'v3' implies n_steps < 100", "n_steps in [64, 128.0]", "torch >= '2.6'"])
def test_a_constraint_on_what_there_is_passes_the_check(text: str) -> None:
    Constraint.parse(text).check(FACTORS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("enw == 'v3'", "unknown factor 'enw'; did you mean 'env'\\?"),
        ("env != 'v4'", '"v4" is no level of env; did you mean .*v3.* known: "dummy", "v3"'),
        ("n_steps not in [64, 65]", "65 is no level of n_steps; .*known: 128, 64"),
        ("n_steps == '64'", '"64" is no level of n_steps'),
        ("env < 'v4'", 'env has the level "dummy", which is neither smaller nor greater than "v4"'),
    ],
)
def test_a_constraint_on_what_there_is_not_is_told(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Constraint.parse(text).check(FACTORS)
