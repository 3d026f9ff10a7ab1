from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.analysis.confounding import At, Columns, Confounded, Relation
from matrix.analysis.results import Result
from matrix.plan.cells import Cell, Trial, VersionSet
from matrix.results.observation import Observation
from tests.matrix.analysis.conftest import HEALTHY, SKIPPED, Swept

FACTORS = {"versions": ("old", "new"), "env": ("sea", "hill", "moor"), "adapter": ("off", "on")}


def test_a_full_design_mixes_nothing_up(swept: Swept) -> None:
    analysis = swept(FACTORS, lambda t: False)
    assert analysis.confounded == ()
    assert analysis.columns.never_together() == []


def test_levels_that_only_came_together_can_not_be_told_apart(swept: Swept) -> None:
    analysis = swept(FACTORS, lambda t: False, where=lambda at: (at["adapter"] == "on") == (at["versions"] == "old"))
    assert set(analysis.confounded) == {
        Confounded(Relation.TOGETHER, ("versions", "old"), ("adapter", "on")),
        Confounded(Relation.TOGETHER, ("versions", "new"), ("adapter", "off")),
    }


def test_what_did_not_run_counts_and_not_what_was_planned(swept: Swept) -> None:
    def observe(trial: Trial) -> Observation:
        levels = trial.cell.levels
        return SKIPPED if levels["adapter"] == "on" and levels["versions"] == "new" else HEALTHY

    analysis = swept(FACTORS, observe)
    assert set(analysis.confounded) == {
        Confounded(Relation.WITHIN, ("versions", "new"), ("adapter", "off")),
        Confounded(Relation.WITHIN, ("adapter", "on"), ("versions", "old")),
    }
    assert analysis.columns.never_together() == [(("versions", "new"), ("adapter", "on"))]


def test_a_level_that_ran_exactly_without_another_is_its_opposite(swept: Swept) -> None:
    analysis = swept(FACTORS, lambda t: False, where=lambda at: (at["adapter"] == "on") != (at["env"] == "sea"))
    assert Confounded(Relation.OPPOSITE, ("env", "sea"), ("adapter", "on")) in analysis.confounded
    assert Confounded(Relation.TOGETHER, ("env", "sea"), ("adapter", "off")) in analysis.confounded


def test_every_explanation_that_fits_is_named(swept: Swept) -> None:
    analysis = swept(
        FACTORS,
        lambda t: t.cell.levels["adapter"] == "on",
        where=lambda at: (at["adapter"] == "on") == (at["versions"] == "old"),
    )
    columns = analysis.columns
    struck = columns.mask(frozenset(result.trial.id for result in analysis.ran if result.failed))
    assert columns.explanations(struck) == [{"versions": "old"}, {"adapter": "on"}]


def test_two_levels_explain_where_one_does_not(swept: Swept) -> None:
    analysis = swept(FACTORS, lambda t: (t.cell.levels["adapter"], t.cell.levels["env"]) == ("on", "sea"))
    struck = analysis.columns.mask(analysis.findings[0].ids)
    assert analysis.columns.explanations(struck) == [{"env": "sea", "adapter": "on"}]


def test_what_strikes_now_and_then_is_narrowed_down_to_where_it_strikes(swept: Swept) -> None:
    analysis = swept(FACTORS, lambda t: t.cell.levels["adapter"] == "on" and t.repeat == 1, repeats=3)
    struck = analysis.columns.mask(analysis.findings[0].ids)
    assert analysis.columns.explanations(struck) == []
    assert analysis.columns.narrowest(struck) == [{"adapter": "on"}]


CELLS = st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=14, unique=True)


@settings(deadline=None, max_examples=40)
@given(CELLS, st.data())
def test_what_is_said_holds_for_each_cell(levels: list[tuple[int, int, int]], data: st.DataObject) -> None:
    names = ("x", "y", "z")
    versions = VersionSet("a", ("tiny",), "3.11")
    results = [
        Result(Trial(Cell(dict(zip(names, row, strict=True)), versions, (), str(row)), 0, 0, 1.0, 1), HEALTHY)
        for row in levels
    ]
    columns = Columns(results, names)
    having: dict[At, set[str]] = {
        at: {r.trial.id for r in results if r.trial.cell.levels[at[0]] == at[1]}
        for at in itertools.product(names, range(3))
    }
    every = {result.trial.id for result in results}
    for item in columns.confounded():
        first, second = having[item.first], having[item.second]
        assert {
            Relation.TOGETHER: first == second,
            Relation.OPPOSITE: first == every - second,
            Relation.WITHIN: first < second,
        }[item.relation]
    struck = {result.trial.id for result in results if data.draw(st.booleans())}
    for explanation in columns.explanations(columns.mask(frozenset(struck))):
        assert {r.trial.id for r in results if r.matches(explanation)} == struck
    for narrow in columns.narrowest(columns.mask(frozenset(struck))):
        assert struck <= {r.trial.id for r in results if r.matches(narrow)} < every
