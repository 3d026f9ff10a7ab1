"""What a sweep's observations say: which failures there are, what they depend on, which claims hold."""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from matrix.plan.cells import Trial
from matrix.plan.claims import Claim
from matrix.plan.parameters import Level
from matrix.plan.plan import Plan
from matrix.results.observation import Observation, Outcome
from matrix.results.store import read_records
from probes.verdicts import Verdict

PLAN_FILE = "plan.json"
STORE_FILE = "sweep.sqlite"
_SHOWN_CELLS = 6
"""A claim's outcome names at most so many."""


@dataclass(frozen=True)
class Result:
    """A trial of the plan and what came of it."""

    trial: Trial
    observation: Observation

    @property
    def ran(self) -> bool:
        return self.observation.outcome is Outcome.RAN

    def matches(self, where: Mapping[str, Level]) -> bool:
        """Whether the cell has all of these levels."""
        return all(self.trial.cell.levels.get(name) == level for name, level in where.items())


@dataclass(frozen=True)
class Finding:
    """One way to end, and the trials that ended so."""

    signature: str
    verdict: Verdict
    results: tuple[Result, ...]
    """In the order of the plan; the first is as good an example as any."""


@dataclass(frozen=True)
class Pair:
    """Two trials that ran and differ in one factor only: seed and repeat are the same."""

    first: Result
    second: Result

    @property
    def alike(self) -> bool:
        """Whether both ended in the same way."""
        return self.first.observation.signature == self.second.observation.signature


@dataclass(frozen=True)
class FactorEffect:
    """How the outcome goes with one factor."""

    factor: str
    counts: Mapping[Level, Mapping[Verdict, int]]
    """Of the design's trials that ran."""
    p_value: float | None
    """
    Fisher's exact test (R. A. Fisher, The Design of Experiments, 1935) of level against verdict; for tables
    larger than 2 × 2 the Freeman-Halton extension, by 9,999 random tables from a fixed seed. None where fewer
    than two levels of the design ran. Extra cells don't count: they are not balanced.
    """
    pairs: tuple[Pair, ...]
    """Matched pairs, extra cells included."""

    @property
    def changed(self) -> int:
        """How many matched pairs end differently."""
        return sum(not pair.alike for pair in self.pairs)


class ClaimOutcome(str, enum.Enum):
    """What became of a claim."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    NOT_TESTABLE = "not testable here"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class ClaimResult:
    """A claim, its outcome and the evidence."""

    claim: Claim
    outcome: ClaimOutcome
    sentence: str
    cells: tuple[str, ...] = ()
    """Labels of the trials that show it."""


@dataclass(frozen=True)
class Analysis:
    """Everything that is concluded from one sweep."""

    plan: Plan
    results: tuple[Result, ...]
    """In the order of the plan; a trial that is still missing has none."""

    @cached_property
    def ran(self) -> tuple[Result, ...]:
        """The trials that ran."""
        return tuple(result for result in self.results if result.ran)

    @property
    def missing(self) -> int:
        """Trials of the plan without any outcome yet."""
        return len(self.plan.trials) - len(self.results)

    @cached_property
    def headlines(self) -> Mapping[str, int]:
        """How often each outcome occurred: ``slow-phase``, ``skipped: no CUDA device``; most frequent first."""
        return dict(Counter(result.observation.headline for result in self.results).most_common())

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """The trials that ran, by signature: failures before healthy, most frequent first."""
        groups: dict[str, list[Result]] = defaultdict(list)
        for result in self.ran:
            groups[result.observation.signature or ""].append(result)
        found = [
            Finding(signature, verdict, tuple(results))
            for signature, results in groups.items()
            if (verdict := results[0].observation.verdict) is not None
        ]
        return tuple(sorted(found, key=lambda f: (not f.verdict.is_failure, -len(f.results), f.signature)))

    @cached_property
    def factors(self) -> tuple[FactorEffect, ...]:
        """Of each name that has more than one level in the plan."""
        return tuple(self._effect(name) for name in self._varying())

    @cached_property
    def claims(self) -> tuple[ClaimResult, ...]:
        """Every claim of the plan, tested."""
        return tuple(self._test(claim) for claim in self.plan.claims)

    def pairs(self, factor: str, where: Mapping[str, Level] | None = None) -> Iterator[Pair]:
        """Matched pairs of trials that ran, whose levels other than ``factor`` include ``where``."""
        for group in self._twins(factor, self.ran):
            matching = [result for result in group if result.matches(_without(where or {}, factor))]
            for at, second in enumerate(matching):
                yield from (Pair(first, second) for first in matching[:at])

    def _varying(self) -> list[str]:
        levels: dict[str, set[Level]] = defaultdict(set)
        for cell in self.plan.cells:
            for name, level in cell.levels.items():
                levels[name].add(level)
        first = list(self.plan.factors)
        rest = [name for name in levels if name not in first]
        return [name for name in (*first, *rest) if len(levels[name]) > 1]

    def _effect(self, factor: str) -> FactorEffect:
        counts: dict[Level, Counter[Verdict]] = defaultdict(Counter)
        for result in self.ran:
            verdict = result.observation.verdict
            if result.trial.cell.why is None and verdict is not None:
                counts[result.trial.cell.levels[factor]][verdict] += 1
        p_value = fisher_exact(list(counts.values())) if factor in self.plan.factors else None
        plain = {level: dict(verdicts) for level, verdicts in counts.items()}
        return FactorEffect(factor, plain, p_value, tuple(self.pairs(factor)))

    @staticmethod
    def _twins(factor: str, results: Iterable[Result]) -> Iterable[list[Result]]:
        """Groups whose members differ in ``factor`` only."""
        groups: dict[object, list[Result]] = defaultdict(list)
        for result in results:
            trial = result.trial
            rest = frozenset(_without(trial.cell.levels, factor).items())
            groups[rest, trial.seed, trial.repeat].append(result)
        return groups.values()

    def _test(self, claim: Claim) -> ClaimResult:
        if claim.test is None:
            return ClaimResult(claim, ClaimOutcome.NOT_TESTABLE, f"This sweep can't tell: it needs {claim.needs}.")
        return self._test_pairs(claim) if claim.factor else self._test_verdicts(claim)

    def _test_pairs(self, claim: Claim) -> ClaimResult:
        factor = claim.factor or ""
        pairs = list(self.pairs(factor, claim.where))
        if not pairs:
            return ClaimResult(
                claim,
                ClaimOutcome.NOT_TESTABLE,
                f"No two trials that ran differ in {factor} only{_at(claim.where)}{self._why_missing(claim.where)}.",
            )
        changed = [pair for pair in pairs if not pair.alike]
        shown = changed or pairs
        first, second = (side.observation.signature for side in (shown[0].first, shown[0].second))
        ends = f"{first} and {second}" if changed else str(first)
        sentence = (
            f"{len(pairs) - len(changed)} of {len(pairs)} matched pairs, which differ in {factor} only, end alike "
            f"({len(changed)} differ); for example: {ends}{self._rest(claim)}."
        )
        holds = bool(changed) == (claim.test == "differs")
        labels = dict.fromkeys(side.trial.label for pair in shown for side in (pair.first, pair.second))
        return ClaimResult(claim, _outcome(holds), sentence, tuple(labels)[:_SHOWN_CELLS])

    def _test_verdicts(self, claim: Claim) -> ClaimResult:
        ran = [result for result in self.ran if result.matches(claim.where)]
        showing = [result for result in ran if result.observation.verdict in claim.verdicts]
        names = " or ".join(map(str, claim.verdicts))
        if not ran:
            elsewhere = [result for result in self.ran if result.observation.verdict in claim.verdicts]
            return ClaimResult(
                claim,
                ClaimOutcome.NOT_TESTABLE,
                f"No trial ran{_at(claim.where)}{self._why_missing(claim.where)}; of the {len(self.ran)} that ran "
                f"elsewhere, {len(elsewhere)} ended in {names}.",
                tuple(result.trial.label for result in elsewhere[:_SHOWN_CELLS]),
            )
        sentence = f"{len(showing)} of {len(ran)} trials that ran{_at(claim.where)} ended in {names}"
        holds = bool(showing) == (claim.test == "occurs")
        labels = tuple(result.trial.label for result in (showing or ran)[:_SHOWN_CELLS])
        return ClaimResult(claim, _outcome(holds), f"{sentence}{self._rest(claim)}.", labels)

    def _rest(self, claim: Claim) -> str:
        """What a reader must know who takes the outcome for the whole truth."""
        not_run = sum(not result.ran and result.matches(claim.where) for result in self.results)
        return f"; {not_run} more did not run{self._why_missing(claim.where)}" if not_run else ""

    def _why_missing(self, where: Mapping[str, Level]) -> str:
        reasons = Counter(
            result.observation.headline for result in self.results if not result.ran and result.matches(where)
        )
        return f" ({', '.join(reasons)})" if reasons else ""


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
    return analyse(plan, {record.id: record.observation for record in read_records(folder / STORE_FILE)})


def fisher_exact(rows: Sequence[Mapping[Verdict, int]]) -> float | None:
    """
    The p-value of "rows and columns have nothing to do with each other".

    :param rows: one per level: verdict to count.
    :return: in (0, 1]; 1 if all ended alike; None for fewer than two rows.
    """
    if len(rows) < 2:
        return None
    columns = sorted({verdict for row in rows for verdict in row})
    if len(columns) < 2:
        return 1.0
    # Here, because a sweep that is only run needs none of it, and importing it takes a second.
    from scipy import stats

    table = [[row.get(verdict, 0) for verdict in columns] for row in rows]
    if len(rows) == len(columns) == 2:
        return float(stats.fisher_exact(table).pvalue)
    method = stats.MonteCarloMethod(n_resamples=9999, rng=0)
    return float(stats.fisher_exact(table, method=method).pvalue)


def _outcome(holds: bool) -> ClaimOutcome:
    return ClaimOutcome.CONFIRMED if holds else ClaimOutcome.REFUTED


def _without(levels: Mapping[str, Level], factor: str) -> dict[str, Level]:
    return {name: level for name, level in levels.items() if name != factor}


def _at(where: Mapping[str, Level]) -> str:
    return f" at {', '.join(f'{name}={level}' for name, level in where.items())}" if where else ""


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
