"""What a sweep can't tell: levels that it mixes up, too few runs, cells that do not always end alike."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from matrix.analysis.analysis import Analysis
from matrix.analysis.confounding import At, Confounded, Relation
from reports import markdown as md
from reports import wording
from reports.sweep import figures as fig

_WIDE = 0.5
"""An interval for a share that is wider tells little."""
_MAX_NAMED = 8


def limits(analysis: Analysis) -> Iterator[str]:
    """The whole section, as one list; without anything to say, nothing."""
    points = [
        *_unfinished(analysis),
        *_one_level(analysis),
        *_mixed_up(analysis),
        *_never_together(analysis),
        *_few_runs(analysis),
        *_missed(analysis),
        *_unsteady(analysis),
        *_without_stack(analysis),
    ]
    if points:
        yield "## What this sweep can't tell"
        yield "\n".join(f"- {point}" for point in points)


def beside(analysis: Analysis, factor: str) -> list[str]:
    """What must be known by who reads the effect of this factor: with what its levels are mixed up."""
    mine = [item for item in analysis.confounded if factor in (item.first[0], item.second[0])]
    told = list(_together(mine))
    within = _within([item for item in mine if item.first[0] == factor])
    for at, others in within.items():
        rest = "" if _has_pair(analysis, at) else ", and no two runs differ in this alone"
        told.append(f"{fig.level(at)} ran only with {fig.levels(others)}{rest}: what it does without is not known.")
    return [f"**Mixed up:** {' '.join(told)}"] if told else []


def _unfinished(analysis: Analysis) -> Iterator[str]:
    if analysis.missing:
        verb = "is" if analysis.missing == 1 else "are"
        yield f"{wording.count(analysis.missing, 'trial')} of the plan {verb} still to be run."


def _one_level(analysis: Analysis) -> Iterator[str]:
    """Levels that did not run, with the reason; a factor of which one is left says nothing."""
    for factor, levels in analysis.plan.factors.items():
        ran = [at[1] for at in analysis.columns.levels[factor]]
        gone = [level for level in levels if level not in ran]
        if not gone:
            continue
        reasons = Counter(
            result.observation.headline
            for result in analysis.results
            if not result.ran and result.trial.cell.levels.get(factor) in gone
        )
        why = f" ({md.text(reasons.most_common(1)[0][0])})" if reasons else ""
        names = wording.listed([fig.level((factor, level)) for level in gone[:_MAX_NAMED]])
        rest = f", nor of {md.code(factor)} at all: only {fig.level((factor, ran[0]))} ran" if len(ran) == 1 else ""
        yield f"{names} did not run{why}: nothing is known of {'it' if len(gone) == 1 else 'them'}{rest}."


def _mixed_up(analysis: Analysis) -> Iterator[str]:
    yield from _together(analysis.confounded)
    within = _within(analysis.confounded)
    for at, others in list(within.items())[:_MAX_NAMED]:
        if _has_pair(analysis, at):
            unknown = ": what it does with other levels of these is not known."
        else:
            unknown = (
                f", and no two runs differ in {md.code(at[0])} alone: what looks like the effect of the one may be "
                "that of the other."
            )
        yield f"{fig.level(at)} ran only with {fig.levels(others)}{unknown}"
    if len(within) > _MAX_NAMED:
        yield f"{len(within) - _MAX_NAMED} more levels ran only with certain levels of other factors."


def _together(items: Sequence[Confounded]) -> Iterator[str]:
    """One sentence for each two factors whose levels can't be told apart."""
    groups: dict[tuple[str, str], list[Confounded]] = defaultdict(list)
    for item in items:
        if item.relation is Relation.TOGETHER:
            groups[item.first[0], item.second[0]].append(item)
        elif item.relation is Relation.OPPOSITE:
            yield (
                f"{fig.level(item.first)} ran exactly where {fig.level(item.second)} did not: this sweep can't tell "
                "the one from the lack of the other."
            )
    for (one, other), found in groups.items():
        with_what = wording.listed([f"{fig.level(item.first)} exactly with {fig.level(item.second)}" for item in found])
        yield (
            f"{md.code(one)} and {md.code(other)} changed together ({with_what}): this sweep can't tell the two apart."
        )


def _within(items: Sequence[Confounded]) -> dict[At, list[At]]:
    found: dict[At, list[At]] = defaultdict(list)
    for item in items:
        if item.relation is Relation.WITHIN:
            found[item.first].append(item.second)
    return found


def _has_pair(analysis: Analysis, at: At) -> bool:
    """Whether two runs differ in this factor alone, one of them at this level."""
    factor, level = at
    effect = next((item for item in analysis.factors if item.factor == factor), None)
    return effect is not None and any(
        level in (pair.first.trial.cell.levels.get(factor), pair.second.trial.cell.levels.get(factor))
        for pair in effect.pairs
    )


def _never_together(analysis: Analysis) -> Iterator[str]:
    told = {(item.first[0], item.second[0]) for item in analysis.confounded}
    told |= {(other, one) for one, other in told}
    gone = [pair for pair in analysis.columns.never_together() if (pair[0][0], pair[1][0]) not in told]
    if gone:
        named = wording.listed([f"{fig.level(one)} with {fig.level(other)}" for one, other in gone[:3]])
        more = f", and {len(gone) - 3} more" if len(gone) > 3 else ""
        yield (
            f"{wording.count(len(gone), 'pair')} of levels never ran together ({named}{more}): what they do together "
            "is not known."
        )


def _few_runs(analysis: Analysis) -> Iterator[str]:
    few = [
        (item.rate.trials, (effect.factor, item.level))
        for effect in analysis.factors
        if effect.factor in analysis.plan.factors and len(effect.levels) > 1
        for item in effect.levels
        if item.rate.high - item.rate.low > _WIDE
    ]
    if few:
        named = [
            f"{fig.level(at)} ({wording.count(number, 'run')})" for number, at in sorted(few, key=lambda row: row[0])
        ]
        more = f" and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
        yield (
            "Too few runs to know the share of failures to within 50 points: "
            f"{', '.join(named[:_MAX_NAMED])}{more}. More repeats or seeds narrow it."
        )


def _missed(analysis: Analysis) -> Iterator[str]:
    """How rare a failure may be that did not show."""
    if analysis.design and not any(result.failed for result in analysis.design):
        high = analysis.upper_rate
        yield (
            f"No failure in {wording.count(len(analysis.design), 'run')} does not mean never: one that strikes up to "
            f"{wording.percent(high)} of runs like these could well have been missed."
        )


def _unsteady(analysis: Analysis) -> Iterator[str]:
    if analysis.flaky:
        yield (
            f"{wording.count(len(analysis.flaky), 'cell')} {'ends' if len(analysis.flaky) == 1 else 'end'} differently "
            "when run again (see above): a single run of a cell proves little here, and two that differ in one factor "
            "may differ by chance."
        )


def _without_stack(analysis: Analysis) -> Iterator[str]:
    hangs = [r for r in analysis.ran if (verdict := r.observation.verdict) is not None and verdict.stands_for_good]
    unknown = sum(result.observation.stack is None for result in hangs)
    if unknown:
        yield (
            f"Of {unknown} of {wording.count(len(hangs), 'run')} that stood still no stack was stored: they are told "
            "apart by verdict, phase and function only."
        )
