"""What each factor does to the outcome, alone and with another: tables with their uncertainty, strongest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matrix.analysis.analysis import Analysis, FactorEffect, Finding
from matrix.analysis.effects import LevelEffect, strength
from matrix.plan.parameters import Level
from reports import markdown as md
from reports import wording
from reports.sweep import figures as fig
from reports.sweep import limits as sweep_limits
from reports.sweep.facts import Runs, set_up_changes, unit
from reports.sweep.pairs import together

_LIKELY = (
    "*likely between*: where the true share lies with a probability of 95 %, judged by these runs alone (Jeffreys "
    "interval); the fewer runs, the wider"
)
_AGAINST = (
    "*against the other levels*: by how many percentage points the share differs from that of all other runs, and the "
    "range for this difference (Newcombe's method)"
)


def effects(analysis: Analysis, runs: Runs) -> Iterator[str]:
    """The whole section."""
    tables = [effect for effect in analysis.factors if effect.factor in analysis.columns.varying]
    tables.sort(key=lambda effect: -effect.strength)
    hits = sum(map(analysis.target.struck, analysis.design))
    if tables and hits == 0:
        yield "No run failed, so no level shows more of it than another. What that is worth at each level:"
        yield md.fold("How sure that is", "\n\n".join(_level_table(analysis, e.factor, e.levels) for e in tables))
    elif tables:
        yield _introduction(analysis)
        for effect in tables:
            yield f"### {md.code(effect.factor)}"
            yield _level_table(analysis, effect.factor, effect.levels)
            yield " ".join([_tested(effect), *sweep_limits.beside(analysis, effect.factor)])
    others = [effect for effect in analysis.factors if effect not in tables and effect.pairs]
    if others:
        yield "Outside the design:"
        yield "\n".join(f"- {md.code(effect.factor)}: {_pairs(effect)}" for effect in others)
    if tables and 0 < hits < len(analysis.design):
        yield from together(analysis)
        yield _regression(analysis)
    yield from _set_up(analysis, runs)


def _introduction(analysis: Analysis) -> str:
    says = analysis.target.says
    counted = (
        f"All runs of the design failed, so what is counted here is how many of them ended as *{md.text(says)}*"
        if says is not None
        else "Counted is how many runs failed: ended with any verdict but `healthy`"
    )
    notes = [_LIKELY, _AGAINST]
    tests = sum(effect.p_value is not None for effect in analysis.factors)
    if tests:
        adjusted = f"; *adjusted* allows for {tests} factors being tested (Holm)" if tests > 1 else ""
        notes.append(
            "*p*: how probable so strong a connection would be if the factor had nothing to do with how runs end"
            f"{adjusted}"
        )
    if analysis.search is not None:
        notes.append(
            "each run was chosen by what came before it: ranges and p describe these runs, but what the search "
            "concluded rests on its own reckoning, above"
        )
    elif unit(analysis) == "run":
        notes.append(
            "every run counts for itself: where the runs of a cell always end alike, they tell less than their number, "
            "and the ranges and p are too small"
        )
    kinds = sum(finding.verdict.is_failure and finding.in_design for finding in analysis.findings)
    together = (
        f" {kinds} different failures are counted together here; under Findings, each has a table of its own."
        if says is None and kinds > 1
        else ""
    )
    return f"{counted}; the strongest factor comes first.{together}\n\n" + "\n".join(f"- {note}" for note in notes)


def _level_table(analysis: Analysis, factor: str, levels: Sequence[LevelEffect]) -> str:
    order = list(analysis.plan.factors.get(factor, ()))
    in_order = sorted(levels, key=lambda item: order.index(item.level) if item.level in order else len(order))
    return md.table(
        (md.code(factor), "runs", "failed" if analysis.target.says is None else "ended so", "share", "likely between",
         "against the other levels"),
        [
            (
                md.code(item.level),
                str(item.rate.trials),
                str(item.rate.hits),
                wording.percent(item.rate.share),
                fig.likely(item.rate),
                fig.points(item.difference),
            )
            for item in in_order
        ],
        numeric=(1, 2, 3),
    )  # fmt: skip


def _pairs(effect: FactorEffect) -> str:
    if not effect.pairs:
        return "no two runs differ in it alone."
    if len(effect.pairs) == 1:
        return f"the one pair of runs that differ in it alone ends {'differently' if effect.changed else 'alike'}."
    return (
        f"of {wording.count(len(effect.pairs), 'pair')} of runs that differ in it alone, "
        f"{effect.changed or 'none'} {'ends' if effect.changed == 1 else 'end'} differently."
    )


def _tested(effect: FactorEffect) -> str:
    pairs = _pairs(effect)
    told = pairs[0].upper() + pairs[1:]
    if effect.p_value is None or effect.adjusted is None:
        return told
    adjusted = f", adjusted {_p(effect.adjusted).removeprefix('= ')}" if effect.adjusted != effect.p_value else ""
    return f"{told} Fisher's exact test: p {_p(effect.p_value)}{adjusted}."


def _p(value: float) -> str:
    return f"= {value:.2g}" if value >= 1e-4 else "< 0.0001"


def _regression(analysis: Analysis) -> str:
    found = analysis.regression
    if found.why_not is not None:
        return f"A regression on all factors at once (logistic) was not fitted, because {md.text(found.why_not)}."
    table = md.table(
        ("level", "against", "odds", "likely between"),
        [
            (md.code(f"{item.factor}={item.level}"), md.code(item.against), f"× {item.ratio:.2g}",
             f"{item.low:.2g} and {item.high:.2g}")
            for item in found.odds_ratios
        ],
    )  # fmt: skip
    return md.fold(
        "Logistic regression on all factors at once: by what each level multiplies the odds, the others being equal",
        table,
    )


def where_it_occurs(analysis: Analysis, finding: Finding) -> str:
    """How often one finding occurs at each level of the factors that vary, folded; strongest factor first."""
    found: list[tuple[str, tuple[LevelEffect, ...]]] = [
        (factor, analysis.levels_of(factor, finding)) for factor in analysis.columns.varying
    ]
    found.sort(key=lambda pair: -strength(pair[1]))
    rows = [
        (fig.level((factor, item.level)), fig.hits(item.rate), wording.percent(item.rate.share),
         fig.likely(item.rate), fig.points(item.difference))
        for factor, levels in found
        for item in levels
    ]  # fmt: skip
    header = ("level", "runs that end so", "share", "likely between", "against the other levels")
    return md.fold("How often at each level", md.table(header, rows, numeric=(1, 2)))


def _set_up(analysis: Analysis, runs: Runs) -> Iterator[str]:
    """What a level that changes the outcome really changes."""
    started = False
    for effect in analysis.factors:
        if effect.changed == 0:
            continue
        for first, second, changes in set_up_changes(analysis, runs, effect.factor):
            if not changes:
                continue
            if not started:
                yield "### What these levels change inside the training"
                yield "Read from the model by the probe when `learn` began; what differs in every such pair:"
                started = True
            yield _change_table(effect.factor, first, second, changes)


def _change_table(factor: str, first: Level, second: Level, changes: Sequence[tuple[str, object, object]]) -> str:
    return md.table(
        (md.code(factor), f"at {md.code(first)}", f"at {md.code(second)}"),
        [(md.code(name), md.code(one), md.code(other)) for name, one, other in changes],
    )
