"""What one factor does to the outcome."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from matrix.analysis.rates import Estimate, Rate, difference, rates
from matrix.analysis.results import Pair, Result, matched_pairs
from matrix.analysis.significance import fisher_exact, holm
from matrix.plan.parameters import Level
from probes.verdicts import Verdict

Struck = Callable[[Result], bool]
"""Whether a trial counts as a hit: it failed, or it belongs to a finding."""


@dataclass(frozen=True)
class Target:
    """What the effects are counted of."""

    says: str | None
    """The finding's signature; None if any failure counts."""
    struck: Struck


@dataclass(frozen=True)
class LevelEffect:
    """How often it happens at one level."""

    level: Level
    rate: Rate
    difference: Estimate | None
    """Against the trials at all other levels of the factor; None if none of these ran."""


@dataclass(frozen=True)
class FactorEffect:
    """How the outcome goes with one factor."""

    factor: str
    counts: Mapping[Level, Mapping[Verdict, int]]
    """Of the design's trials that ran."""
    levels: tuple[LevelEffect, ...]
    """How often the target befell the design's trials; levels of which none ran are left out."""
    p_value: float | None
    """
    Of level against verdict, see :func:`matrix.analysis.significance.fisher_exact`. None where fewer than two levels of
    the design ran. Extra cells don't count: they are not balanced.
    """
    adjusted: float | None
    """The same, for all factors that were tested together."""
    pairs: tuple[Pair, ...]
    """Matched pairs, extra cells included."""

    @property
    def changed(self) -> int:
        """How many matched pairs end differently."""
        return sum(not pair.alike for pair in self.pairs)

    @property
    def strength(self) -> float:
        """The largest difference of one level from the others, 0..1."""
        return strength(self.levels)


def strength(levels: Sequence[LevelEffect]) -> float:
    """The largest difference of one level from the others, 0..1."""
    return max((abs(item.difference.value) for item in levels if item.difference is not None), default=0.0)


def factor_effects(
    factors: Sequence[str], design_factors: Sequence[str], ran: Sequence[Result], struck: Struck
) -> list[FactorEffect]:
    """
    The effect of each factor on whether and how trials end.

    :param factors: what to look at.
    :param design_factors: those that the design varies; only they are tested.
    :param ran: trials that ran, extra cells included.
    :param struck: which of them count as hits.
    """
    design = [result for result in ran if result.in_design]
    effects = [_effect(factor, design, ran, struck, tested=factor in design_factors) for factor in factors]
    adjusted = holm([effect.p_value for effect in effects])
    return [replace(effect, adjusted=value) for effect, value in zip(effects, adjusted, strict=True)]


def _effect(
    factor: str, design: Sequence[Result], ran: Sequence[Result], struck: Struck, *, tested: bool
) -> FactorEffect:
    counts: dict[Level, Counter[Verdict]] = defaultdict(Counter)
    hits: Counter[Level] = Counter()
    for result in design:
        verdict, level = result.observation.verdict, result.trial.cell.levels.get(factor)
        if verdict is not None:
            counts[level][verdict] += 1
            hits[level] += struck(result)
    return FactorEffect(
        factor,
        {level: dict(verdicts) for level, verdicts in counts.items()},
        level_effects({level: (hits[level], verdicts.total()) for level, verdicts in counts.items()}),
        fisher_exact(list(counts.values())) if tested else None,
        None,
        tuple(matched_pairs(factor, ran)),
    )


def level_effects(counts: Mapping[Level, tuple[int, int]]) -> tuple[LevelEffect, ...]:
    """
    How often something befalls trials at each level of a factor.

    :param counts: level to (hits, trials), of the levels that ran.
    """
    hits, trials = (sum(column) for column in zip((0, 0), *counts.values(), strict=True))
    own = rates(list(counts.values()))
    others = rates([(hits - had, trials - of) for had, of in counts.values()])
    return tuple(
        LevelEffect(level, rate, difference(rate, rest))
        for level, rate, rest in zip(counts, own, others, strict=True)
    )  # fmt: skip
