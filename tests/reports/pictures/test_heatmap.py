"""The heat map of a sweep: every cell has its letter, and factors lie on the axes as far as they fit."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest

from probes.verdicts import Verdict
from reports.pictures.heatmap import Outcome, heatmap
from reports.pictures.palette import VERDICTS
from reports.pictures.pivot import pivot

FACTORS = {"env": ("sea", "hill", "moor"), "adapter": ("off", "on"), "device": ("cpu", "cuda")}


def combinations(factors: dict[str, tuple[str, ...]]) -> list[dict[str, str]]:
    return [dict(zip(factors, levels, strict=True)) for levels in itertools.product(*factors.values())]


def ending(levels: dict[str, str]) -> Verdict | None:
    if levels.get("device") == "cuda":
        return None
    return Verdict.SPIN if levels.get("adapter") == "on" else Verdict.HEALTHY


def outcomes(factors: dict[str, tuple[str, ...]]) -> list[Outcome]:
    return [Outcome(levels, ending(levels)) for levels in combinations(factors)]


def letters(svg: str) -> Counter[str]:
    return Counter(re.findall(r'<text class="flz-letter"[^>]*>([^<]*)</text>', svg))


def test_each_combination_has_a_cell_with_the_letter_of_its_verdict() -> None:
    drawn = heatmap("m", FACTORS, outcomes(FACTORS))
    assert drawn is not None
    legend = 1
    assert letters(drawn.svg) == {"H": 3 + legend, "P": 3 + legend, "–": 6 + legend}
    assert "env=sea, adapter=on, device=cpu: 1 × spin" in drawn.svg.replace(
        "adapter=on, env=sea", "env=sea, adapter=on"
    )
    assert "12 runs: 6 did not run, 3 healthy, 3 spin." in drawn.says


def test_runs_that_share_a_cell_and_end_differently_are_told_by_a_share() -> None:
    made = [Outcome({"a": "x"}, verdict) for verdict in (Verdict.CRASH, Verdict.HEALTHY, Verdict.CRASH, None)]
    drawn = heatmap("m", {"a": ("x", "y")}, made)
    assert drawn is not None
    assert letters(drawn.svg)["C 2/3"] == 1
    assert "how many of the runs of a cell ended so" in drawn.svg


def test_what_does_not_fit_shares_cells_and_the_picture_says_so() -> None:
    factors = {f"factor_{number}": tuple(f"level_{at}" for at in range(4)) for number in range(6)}
    drawn = heatmap("m", factors, outcomes(factors))
    assert drawn is not None
    assert not drawn.wide
    assert "factor_4, factor_5 share a cell" in drawn.svg


def test_the_factor_that_matters_least_gives_way() -> None:
    factors = {"strong": tuple("abcdefgh"), "middling": tuple("abcdefgh"), "weak": tuple("abcdefgh")}
    axes = pivot(factors, combinations(factors), 760)
    assert {*axes.down, *axes.across} == {"strong", "middling"}


def test_a_single_factor_gets_a_row_for_each_level() -> None:
    axes = pivot({"n": tuple(map(str, range(50)))}, [{"n": str(number)} for number in range(50)], 760)
    assert len(axes.rows) == 50
    assert axes.columns == ((),)


def test_sparse_designs_leave_out_factors_rather_than_show_empty_cells() -> None:
    factors = {name: tuple("abcdef") for name in ("p", "q", "r")}
    seen = [{"p": level, "q": level, "r": level} for level in "abcdef"]
    axes = pivot(factors, seen, 760)
    assert len((*axes.down, *axes.across)) == 1


def test_nothing_that_varies_makes_no_map() -> None:
    assert heatmap("m", {"a": ("x",)}, [Outcome({"a": "x"}, Verdict.HEALTHY)]) is None
    assert heatmap("m", {"a": ("x", "y")}, []) is None


def test_every_verdict_has_a_letter_and_a_colour_of_its_own() -> None:
    assert set(VERDICTS) == set(Verdict)
    assert len({mark.letter for mark in VERDICTS.values()}) == len(Verdict)
    assert len({mark.fill for mark in VERDICTS.values()}) == len(Verdict)


@pytest.mark.parametrize("name", ["", "A", "a b", "../a", "<a>"])
def test_a_name_that_could_not_be_a_file_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="can't name a picture"):
        heatmap(name, FACTORS, outcomes(FACTORS))
