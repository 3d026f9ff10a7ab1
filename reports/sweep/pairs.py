"""What two factors do together that neither does alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matrix.analysis.analysis import Analysis
from matrix.analysis.interactions import Combination, PairEffect
from reports import markdown as md
from reports import wording
from reports.sweep import figures as fig

_MAX_TOLD = 5
_MAX_ALIASES = 3
_MAX_PAIR_TABLES = 10
_MAX_PAIR_ROWS = 40


def together(analysis: Analysis) -> Iterator[str]:
    """What two factors do together, where two vary."""
    if not analysis.factor_pairs:
        return
    yield "### Two factors together"
    looked_at = sum(len(pair.combinations) for pair in analysis.factor_pairs)
    strong = [item for pair in analysis.factor_pairs if (item := pair.strongest) is not None and _matters(item)]
    strong.sort(key=lambda item: -(item.interaction.low if item.interaction else 0.0))
    if not strong:
        yield (
            f"Of {looked_at} combinations of two levels, none adds more than the two levels do alone, beyond what "
            "chance would do somewhere among so many."
        )
    else:
        yield (
            f"*Beyond each alone*: by how many points more the second level raises the share where the first is there "
            f"than where it is not. The strongest of {looked_at} combinations; *clear* is one whose range would leave "
            "out zero even when widened for all of them (Bonferroni)."
        )
        yield md.table(
            ("levels", "with both", "only the first", "only the second", "neither", "beyond each alone", "so"),
            [
                (
                    f"{fig.level(item.first)} and {fig.level(item.second)}",
                    *(fig.hits(rate) for rate in (item.both, item.first_only, item.second_only, item.neither)),
                    fig.points(item.interaction),
                    _reading(item),
                )
                for item in strong[:_MAX_TOLD]
            ],
        )
        yield from _aliases(analysis, strong[:_MAX_TOLD])
    yield from _every_pair(analysis)


def _matters(item: Combination) -> bool:
    return item.interaction is not None and item.interaction.value > 0 and (item.is_clear or item.needs_both)


def _reading(item: Combination) -> str:
    needs = "**needs both**" if item.needs_both else "more than each alone"
    return needs + (", clear" if item.is_clear else ", few runs")


def _aliases(analysis: Analysis, shown: Sequence[Combination]) -> Iterator[str]:
    """Other levels that exactly the same runs have as those with a combination that is told of."""
    columns = analysis.columns
    for item in shown:
        own = dict([item.first, item.second])
        others = [
            levels for levels in columns.explanations(columns.of[item.first] & columns.of[item.second]) if levels != own
        ]
        if others:
            named = [fig.levels(list(levels.items())) for levels in others[:_MAX_ALIASES]]
            more = len(others) - len(named)
            listed = wording.listed([*named, f"{more} more"] if more else named, "or with")
            yield (
                f"**Mixed up:** the runs with {fig.levels([item.first, item.second])} are exactly those with {listed}: "
                "this sweep can't tell which of these it is."
            )


def _every_pair(analysis: Analysis) -> Iterator[str]:
    """Counts and rates of every two levels, of the strongest pairs of factors."""
    pairs = sorted(analysis.factor_pairs, key=lambda pair: -_strength(pair))
    rows = [
        (
            fig.level(item.first),
            fig.level(item.second),
            fig.hits(item.both),
            wording.percent(item.both.share),
            fig.likely(item.both),
        )
        for pair in pairs[:_MAX_PAIR_TABLES]
        for item in sorted(pair.combinations, key=lambda item: -item.both.share)
    ]
    table = md.table(("one", "other", "runs", "share", "likely between"), rows[:_MAX_PAIR_ROWS], numeric=(2, 3))
    left = sum(len(pair.combinations) for pair in analysis.factor_pairs) - len(rows[:_MAX_PAIR_ROWS])
    yield md.fold(f"Every two levels that ran together{f' ({left} more are left out)' if left else ''}", table)


def _strength(pair: PairEffect) -> float:
    best = pair.strongest
    return best.interaction.value if best is not None and best.interaction is not None else -2.0
