"""Does a remedy get it moving? Of each distinct failure one cell is run again, with nothing changed but the remedy."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from matrix.plan.cells import NO_REMEDY, REMEDY, Trial
from matrix.results.observation import Observation
from matrix.results.store import Record
from probes.remedies import curing

if TYPE_CHECKING:
    from matrix.running.source import Source


class ProvingTrials:
    """A :class:`matrix.running.source.Source`: those of another, and after them the proofs."""

    def __init__(self, inner: Source, trials: Iterable[Trial], records: Collection[Record]) -> None:
        """
        :param inner: whose failures are looked at.
        :param trials: those that ``records`` may be of.
        :param records: what is stored.
        """
        self._inner = inner
        self._known = {record.id for record in records if record.ran}
        self._out: set[str] = set()
        """Trials of the other source that have not ended."""
        self._seen: set[str | None] = {None}
        """Signatures of failures that have their proofs."""
        self._todo: deque[Trial] = deque()
        self._begun = 0
        failed = {record.id: record.observation for record in records if _has_cure(record.observation)}
        for trial in trials if failed else ():
            if trial.id in failed:
                self._consider(trial, failed[trial.id])

    @property
    def total(self) -> int | None:
        """See :attr:`matrix.running.source.Source.total`; proofs are counted once it is known that there are any."""
        inner = self._inner.total
        return None if inner is None else inner + self._begun + len(self._todo)

    @property
    def done(self) -> int:
        """See :attr:`matrix.running.source.Source.done`."""
        return self._inner.done

    @property
    def ahead(self) -> int | None:
        """See :attr:`matrix.running.source.Source.ahead`."""
        return self._inner.ahead

    @property
    def conclusion(self) -> str | None:
        """See :attr:`matrix.running.source.Source.conclusion`."""
        return self._inner.conclusion

    def unstored(self) -> Iterable[Trial]:
        """See :meth:`matrix.running.source.Source.unstored`."""
        return (*self._inner.unstored(), *self._todo)

    def next(self) -> Trial | None:
        """See :meth:`matrix.running.source.Source.next`."""
        trial = self._inner.next()
        if trial is not None:
            self._out.add(trial.id)
            return trial
        if self._out or not self._todo:
            return None
        self._begun += 1
        return self._todo.popleft()

    def tell(self, trial: Trial, observation: Observation) -> None:
        """See :meth:`matrix.running.source.Source.tell`."""
        if trial.id not in self._out:
            return  # a proof
        self._out.discard(trial.id)
        self._known.add(trial.id)
        self._inner.tell(trial, observation)
        self._consider(trial, observation)

    def _consider(self, trial: Trial, observation: Observation) -> None:
        if not _has_cure(observation) or trial.cell.levels.get(REMEDY, NO_REMEDY) != NO_REMEDY:
            return
        if observation.signature in self._seen:
            return
        self._seen.add(observation.signature)
        proofs = (trial.with_remedy(remedy.id) for remedy in curing(observation.cause))
        self._todo += [proof for proof in proofs if proof.id not in self._known]


def _has_cure(observation: Observation) -> bool:
    failed = observation.verdict is not None and observation.verdict.is_failure
    return failed and observation.cause is not None and bool(curing(observation.cause))
