"""The loop of a search: both ends first → ask the bisector → try → write down → tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol

from matrix.bisect.interface import Bisector, Suggestion
from matrix.bisect.observations import Candidate, Outcome
from matrix.bisecting.budget import Budget
from matrix.bisecting.runs import Ended, Meaning, Run, spent_s
from matrix.bisecting.session import Session
from matrix.bisecting.subject import Place
from matrix.bisecting.view import Progress, View
from matrix.environments.uv import StoppedError
from matrix.errors import MatrixError
from matrix.running.interrupts import Interrupts
from matrix.running.trial import Runner
from probes.watch import InterruptedRunError

BAD_TRIES = 3
"""Runs of the bad end at the start, as long as they pass: it may freeze only sometimes."""
_IN_VAIN = 300
"""Suggestions in a row of which none could be tried."""


class Space(Protocol[Candidate]):
    """The candidates: how each is tried."""

    @property
    def good(self) -> Candidate:
        """What is said to pass."""
        ...

    @property
    def bad(self) -> Candidate:
        """What is said to fail."""
        ...

    def label(self, candidate: Candidate) -> str:
        """For people."""
        ...

    def instead(self, candidate: Candidate) -> tuple[Candidate | None, str]:
        """
        What has to be tried in its place, as it can't be had itself, and why; itself if it can, None if there is
        nothing.
        """
        ...

    def attempt(self, candidate: Candidate, place: Place) -> Run[Candidate]:
        """
        Builds what is needed, and runs it.

        :raises StoppedError: Ctrl-C while building.
        :raises InterruptedRunError: Ctrl-C while running.
        """
        ...


@dataclass(frozen=True)
class Finished:
    """How a search ended; what was found is in its bisector."""

    why: str
    """``concluded``, ``budget``, ``interrupted`` or ``nothing left``."""

    @property
    def interrupted(self) -> bool:
        """By Ctrl-C; the same call goes on where it stopped."""
        return self.why == INTERRUPTED


CONCLUDED, OUT_OF_BUDGET, INTERRUPTED, NOTHING_LEFT = "concluded", "budget", "interrupted", "nothing left"


@dataclass
class Search(Generic[Candidate]):
    """What a search needs; :meth:`run` does it."""

    bisector: Bisector[Candidate]
    space: Space[Candidate]
    session: Session
    meaning: Meaning[Candidate]
    budget: Budget
    view: View
    runner: Runner

    def run(self) -> Finished:
        """
        Until there is a conclusion, nothing is left to try, the budget is used up, or Ctrl-C.

        :raises MatrixError: one of the ends can't be tried, or the good one fails otherwise.
        """
        for run in self.session.known:
            self.bisector.tell(self.meaning(run))
        if self.session.runs:
            self.view.note(f"going on after {len(self.session.runs)} runs of an earlier call")
        with Interrupts() as interrupts:
            try:
                return Finished(self._go_on(interrupts))
            except (InterruptedRunError, StoppedError):
                return Finished(INTERRUPTED)
            finally:
                self.view.end()

    def _go_on(self, interrupts: Interrupts) -> str:
        in_vain = 0
        while True:
            self._check_ends()
            asked = self._next()
            if asked is None:
                return CONCLUDED if self.bisector.conclusion is not None else NOTHING_LEFT
            if self.budget.used_up(self.session.runs):
                return OUT_OF_BUDGET
            if interrupts.wind_down:
                return INTERRUPTED
            candidate, why = self.space.instead(asked.candidate)
            if candidate != asked.candidate:
                # Known without a run: it is never suggested again.
                self._note(Run(asked.candidate, Ended.UNRESOLVED, None, why, 0.0))
                in_vain += 1
                if in_vain > _IN_VAIN:
                    return NOTHING_LEFT
                if candidate is None or candidate in self.bisector.excluded or any(self.bisector.runs(candidate)):
                    continue
            in_vain = 0
            self._try(candidate, asked.reason, interrupts)

    def _next(self) -> Suggestion[Candidate] | None:
        """Both ends first: they say what is sought."""
        good, bad = self.space.good, self.space.bad
        tried = [run.candidate for run in self.session.known]
        failed = self.meaning.target is not None or self.bisector.runs(bad)[0] > 0
        if not failed and tried.count(bad) < BAD_TRIES:
            return Suggestion(bad, "the bad end: what is sought?")
        if good not in tried:
            return Suggestion(good, "the good end: does it pass?")
        return self.bisector.suggest()

    def _check_ends(self) -> None:
        for end, name in ((self.space.bad, "bad"), (self.space.good, "good")):
            runs = [run for run in self.session.known if run.candidate == end]
            if runs and all(run.ended is Ended.UNRESOLVED for run in runs):
                raise MatrixError(f"the {name} end, {self.space.label(end)}, can't be tried: {runs[-1].says}")
        good = [run for run in self.session.known if run.candidate == self.space.good]
        others = [run for run in good if self.meaning.outcome_of(run) is Outcome.OTHER_FAILURE]
        if good and len(others) == len(good) and len(good) >= 1:
            raise MatrixError(
                f"the good end, {self.space.label(self.space.good)}, fails too, in another way: {others[-1].says}; "
                "name one that passes"
            )

    def _try(self, candidate: Candidate, reason: str, interrupts: Interrupts) -> None:
        label = self.space.label(candidate)
        self.view.starts(label, reason)
        folder, name = self.session.next_folder(label)
        place = Place(folder, name, lambda: interrupts.wind_down, self.view.status, self.runner)
        self._note(self.space.attempt(candidate, place))

    def _note(self, run: Run[Candidate]) -> None:
        self.session.add(run)
        observation = self.meaning(run)
        self.bisector.tell(observation)
        progress = Progress(self.bisector.posterior, len(self.session.runs), spent_s(self.session.runs))
        self.view.ended(self.space.label(run.candidate), run, observation.outcome, progress)
