"""What a sweep's observations say, all together; each question has a module of its own beside this one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from matrix.analysis.claims import ClaimOutcome, ClaimResult, check
from matrix.analysis.confounding import Columns, Confounded
from matrix.analysis.effects import FactorEffect, LevelEffect, Target, factor_effects, level_effects
from matrix.analysis.findings import STANDS, Finding, cluster
from matrix.analysis.flaky import FlakyCell, flaky_cells
from matrix.analysis.interactions import PairEffect, pair_effects
from matrix.analysis.proofs import RemedyProof, prove_all
from matrix.analysis.rates import rates
from matrix.analysis.regression import Regression, logistic
from matrix.analysis.results import Pair, Result, matched_pairs
from matrix.analysis.search import Search, replay
from matrix.analysis.significance import fisher_exact
from matrix.plan.cells import Trial
from matrix.plan.parameters import Level
from matrix.plan.plan import Plan
from matrix.results.observation import Observation
from matrix.results.store import Record, read_records

ADAPTIVE = "adaptive"
"""Name of the design that chooses each trial by what came of those before."""
PLAN_FILE = "plan.json"
STORE_FILE = "sweep.sqlite"


@dataclass(frozen=True)
class Analysis:
    """Everything that is concluded from one sweep; each part is worked out as it is asked for."""

    plan: Plan
    results: tuple[Result, ...]
    """In the order of the plan, or of an adaptive design's choice; a trial that is still missing has none."""
    proofs: tuple[RemedyProof, ...] = ()
    """What became of the remedies of what was found."""

    @cached_property
    def ran(self) -> tuple[Result, ...]:
        """The trials that ran."""
        return tuple(result for result in self.results if result.ran)

    @cached_property
    def design(self) -> tuple[Result, ...]:
        """Those of them that belong to the design, not to its extra cells."""
        return tuple(result for result in self.ran if result.in_design)

    @property
    def missing(self) -> int:
        """Trials of the plan without any outcome yet; an adaptive design has no list of them."""
        return 0 if self.plan.run.design == ADAPTIVE else len(self.plan.trials) - len(self.results)

    @cached_property
    def common(self) -> frozenset[str]:
        """``name=level`` of what all trials that ran have in common, or all that have an outcome if none ran."""
        levels = [set(result.trial.cell.levels.items()) for result in self.ran or self.results]
        return frozenset(f"{name}={level}" for name, level in set.intersection(*levels)) if levels else frozenset()

    @cached_property
    def headlines(self) -> Mapping[str, int]:
        """How often each outcome occurred: ``slow-phase``, ``skipped: no CUDA device``; most frequent first."""
        return dict(Counter(result.observation.headline for result in self.results).most_common())

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """The trials that ran, by how they ended: failures before healthy, most frequent first."""
        return cluster(self.ran)

    @cached_property
    def flaky(self) -> tuple[FlakyCell, ...]:
        """Cells whose runs end in more than one way."""
        return flaky_cells(self.ran)

    @cached_property
    def target(self) -> Target:
        """What the effects are counted of: failing; or where all of the design fail, the most frequent freeze."""
        ways = [finding for finding in self.findings if finding.in_design]
        if len(ways) > 1 and all(result.failed for result in self.design):
            shown = next((finding for finding in ways if finding.verdict in STANDS), ways[0])
            return Target(shown.signature, shown.has)
        return Target(None, lambda result: result.failed)

    @cached_property
    def factors(self) -> tuple[FactorEffect, ...]:
        """Of each name that has more than one level in the plan: its effect on the target."""
        return tuple(factor_effects(self._varying(), tuple(self.plan.factors), self.ran, self.target.struck))

    @cached_property
    def factor_pairs(self) -> tuple[PairEffect, ...]:
        """Of each two of the design's factors that ran with two levels or more: their joint effect on the target."""
        return pair_effects(self.columns.varying, self.design, self.target.struck)

    @cached_property
    def regression(self) -> Regression:
        """Of the target, on all of these factors at once."""
        varying = {factor: self.plan.factors[factor] for factor in self.columns.varying}
        return logistic(varying, self.design, self.target.struck)

    @cached_property
    def search(self) -> Search | None:
        """What an adaptive design has come to believe; None for any other, and before anything ran."""
        return replay(self.plan, self.results) if self.plan.run.design == ADAPTIVE else None

    @cached_property
    def columns(self) -> Columns:
        """Which of the design's trials ran with which levels."""
        return Columns(self.design, tuple(self.plan.factors))

    @cached_property
    def confounded(self) -> tuple[Confounded, ...]:
        """Levels that the trials that ran mix up."""
        return tuple(self.columns.confounded())

    @cached_property
    def claims(self) -> tuple[ClaimResult, ...]:
        """Every claim of the plan, tested."""
        return tuple(check(claim, self.results) for claim in self.plan.claims)

    @property
    def upper_rate(self) -> float:
        """The upper end of the interval for the share of the design's runs that fail, 0..1."""
        [rate] = rates([(sum(result.failed for result in self.design), len(self.design))])
        return rate.high

    def levels_of(self, factor: str, finding: Finding) -> tuple[LevelEffect, ...]:
        """How often the design's trials end in one way at each level of a factor of the design."""
        return level_effects(self.columns.counts(factor, self.columns.mask(finding.ids)))

    def pairs(self, factor: str, where: Mapping[str, Level] | None = None) -> Iterator[Pair]:
        """Matched pairs of trials that ran, whose levels other than ``factor`` include ``where``."""
        return matched_pairs(factor, self.ran, where)

    def _varying(self) -> list[str]:
        levels: dict[str, set[Level]] = defaultdict(set)
        for cell in self.plan.cells:
            for name, level in cell.levels.items():
                levels[name].add(level)
        first = list(self.plan.factors)
        rest = [name for name in levels if name not in first]
        return [name for name in (*first, *rest) if len(levels[name]) > 1]


def analyse(plan: Plan, observations: Mapping[str, Observation]) -> Analysis:
    """
    Joins a plan with what was observed.

    :param observations: by trial id; trials that are not in the plan are left out.
    """
    return Analysis(
        plan,
        tuple(Result(trial, observations[trial.id]) for trial in plan.trials if trial.id in observations),
    )


def analyse_folder(folder: Path) -> Analysis:
    """
    The analysis of a sweep's output folder, also while the sweep runs.

    :raises MatrixError: no sweep was started there.
    """
    plan = Plan.load(folder / PLAN_FILE)
    records = read_records(folder / STORE_FILE)
    if plan.run.design == ADAPTIVE:
        analysis = Analysis(plan, tuple(_chosen(plan, records)))
    else:
        analysis = analyse(plan, {record.id: record.observation for record in records})
    return replace(analysis, proofs=tuple(prove_all(analysis.findings, records, folder)))


def _chosen(plan: Plan, records: Iterable[Record]) -> Iterator[Result]:
    """The trials that an adaptive design chose, in the order in which they ended: as often as it liked each."""
    cells = {cell.id: cell for cell in plan.cells}
    for record in records:
        cell = cells.get(record.cell)
        if cell is not None:
            trial = Trial(cell, record.seed, record.repeat, plan.run.limit_s, plan.threads(cell))
            if trial.id == record.id:
                yield Result(trial, record.observation)


__all__ = [
    "PLAN_FILE",
    "STORE_FILE",
    "Analysis",
    "ClaimOutcome",
    "ClaimResult",
    "FactorEffect",
    "Finding",
    "Pair",
    "Result",
    "analyse",
    "analyse_folder",
    "fisher_exact",
]
