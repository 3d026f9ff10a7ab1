"""Counts right and wrong answers."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matrix.cases.question import Answer, Question

HEALTHY = "healthy"
BINS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
"""Edges of the classes of confidence in the reliability table."""


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    right: int
    of: int

    @property
    def value(self) -> float | None:
        """Between 0 and 1; None of nothing."""
        return self.right / self.of if self.of else None


@dataclass(frozen=True)
class Mistake:
    """One wrong answer."""

    question: Question
    answer: Answer
    what: str
    """``verdict``, ``phase``, ``culprit`` or ``cause``"""


@dataclass(frozen=True)
class Score:
    """How good the answers are."""

    answered: int
    confusion: Mapping[tuple[str, str], int]
    """(true verdict, given verdict) to how often."""
    verdict: Share
    phase: Share
    """Of those with the right verdict and a phase that is asked for."""
    culprit: Share
    """The same for the guilty function."""
    cause_claimed: Share
    """Causes that were named, and rightly."""
    cause_known: Share
    """Programs whose cause is a known one, and it was named."""
    false_alarms: Share
    """Healthy programs that something was said of (here ``right`` counts the alarms)."""
    told_after_s: float | None
    """Median over the programs that are not healthy and rightly judged."""
    precision: Mapping[str, Share]
    recall: Mapping[str, Share]
    reliability: Sequence[tuple[float, float, Share]]
    """Class of confidence, from and to, and how many of the verdicts in it are right."""
    mistakes: Sequence[Mistake]


def is_right(question: Question, answer: Answer) -> bool:
    """Whether the verdict is one of the true ones."""
    return answer.verdict in question.verdicts


def score(questions: Sequence[Question], answers: Mapping[str, Answer]) -> Score:
    """
    Counts the answers to ``questions``; those without an answer are left out.

    An answer counts for precision and recall under the verdict it gives if that is right, else under the first
    true one.
    """
    pairs = [(question, answers[question.name]) for question in questions if question.name in answers]
    confusion: Counter[tuple[str, str]] = Counter()
    mistakes = []
    right = []
    for question, answer in pairs:
        good = is_right(question, answer)
        confusion[answer.verdict if good else question.verdicts[0], answer.verdict] += 1
        if good:
            right.append((question, answer))
        else:
            mistakes.append(Mistake(question, answer, "verdict"))
    unwell = [(question, answer) for question, answer in right if answer.verdict != HEALTHY]
    phases = [(q, a) for q, a in unwell if q.phases]
    culprits = [(q, a) for q, a in unwell if q.culprits]
    claims = [(q, a) for q, a in pairs if a.cause is not None]
    known = [(q, a) for q, a in pairs if q.causes]
    healthy = [(q, a) for q, a in pairs if HEALTHY in q.verdicts]
    mistakes += [Mistake(q, a, "phase") for q, a in phases if a.phase not in q.phases]
    mistakes += [Mistake(q, a, "culprit") for q, a in culprits if a.culprit not in q.culprits]
    mistakes += [Mistake(q, a, "cause") for q, a in pairs if not q.names_cause(a.cause) and is_right(q, a)]
    told = [a.told_after_s for _, a in unwell if a.told_after_s is not None]
    true, given = Counter[str](), Counter[str]()
    for (truth, verdict), number in confusion.items():
        true[truth] += number
        given[verdict] += number
    verdicts = sorted({*true, *given})
    return Score(
        answered=len(pairs),
        confusion=dict(confusion),
        verdict=Share(len(right), len(pairs)),
        phase=Share(sum(a.phase in q.phases for q, a in phases), len(phases)),
        culprit=Share(sum(a.culprit in q.culprits for q, a in culprits), len(culprits)),
        cause_claimed=Share(sum(q.names_cause(a.cause) for q, a in claims), len(claims)),
        cause_known=Share(sum(q.names_cause(a.cause) for q, a in known), len(known)),
        false_alarms=Share(sum(a.verdict != HEALTHY for _, a in healthy), len(healthy)),
        told_after_s=statistics.median(told) if told else None,
        precision={name: Share(confusion[name, name], given[name]) for name in verdicts},
        recall={name: Share(confusion[name, name], true[name]) for name in verdicts},
        reliability=_reliability(pairs),
        mistakes=mistakes,
    )


def _reliability(pairs: Sequence[tuple[Question, Answer]]) -> list[tuple[float, float, Share]]:
    rows = []
    for low, high in itertools.pairwise(BINS):
        inside = [(q, a) for q, a in pairs if low <= a.confidence < high or (high == 1.0 and a.confidence == 1.0)]
        if inside:
            rows.append((low, high, Share(sum(is_right(q, a) for q, a in inside), len(inside))))
    return rows
