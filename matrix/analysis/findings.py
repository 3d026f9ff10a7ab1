"""Findings: the different ways in which trials ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from matrix.analysis.results import Result
from probes.verdicts import Verdict

STANDS = frozenset(
    {
        Verdict.DEADLOCK,
        Verdict.SPIN,
        Verdict.BLOCKED,
        Verdict.EXIT_HANG,
        Verdict.SLOW_PHASE,
        Verdict.SLOWDOWN,
    }
)
"""What a person calls a freeze: the process is there and does not move. The others end it."""


@dataclass(frozen=True)
class Finding:
    """One way to end, and the trials that ended so."""

    signature: str
    """Verdict, phase, culprit and stack, as :attr:`matrix.results.observation.Observation.signature` puts them."""
    verdict: Verdict
    results: tuple[Result, ...]
    """In the order of the plan; the first is as good an example as any."""

    @cached_property
    def ids(self) -> frozenset[str]:
        """Of its trials."""
        return frozenset(result.trial.id for result in self.results)

    @property
    def in_design(self) -> bool:
        """Whether one of its trials belongs to the design."""
        return any(result.in_design for result in self.results)

    def has(self, result: Result) -> bool:
        """Whether a trial ended so."""
        return result.trial.id in self.ids


def cluster(ran: Iterable[Result]) -> tuple[Finding, ...]:
    """The trials that ran, by signature: failures before healthy, most frequent first."""
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in ran:
        groups[result.observation.signature or ""].append(result)
    found = [
        Finding(signature, verdict, tuple(results))
        for signature, results in groups.items()
        if (verdict := results[0].observation.verdict) is not None
    ]
    return tuple(sorted(found, key=lambda f: (not f.verdict.is_failure, -len(f.results), f.signature)))
