"""One run of a candidate, as it is written down, and what it means for the search."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Generic

from matrix.bisect.observations import Candidate, Observation, Outcome
from matrix.results.observation import masked, observed
from probes.diagnosis import Diagnosis
from probes.verdicts import Verdict


class Ended(enum.Enum):
    """How a run ended, whatever is sought."""

    PASSED = "passed"
    SLOW = "slow"
    FROZE = "froze"
    """It stood still, was ended by a signal, ran out of memory, or its data was corrupt."""
    FAILED = "failed"
    """An error of the program's own."""
    UNRESOLVED = "unresolved"
    """It could not be tried."""


class Same(str, enum.Enum):
    """What two failures must share to be the same."""

    VERDICT = "verdict"
    """Verdict and phase; of an error, also its message."""
    FUNCTION = "function"
    """And the function."""
    STACK = "stack"
    """And the normalised stack."""


class Counts(str, enum.Enum):
    """What counts as the failure that is sought."""

    FREEZE = "freeze"
    """What the bad end shows first: a freeze or crash, or the very same error."""
    EXIT_CODE = "exit-code"
    """Whatever does not end with exit code 0: for changes of behaviour that the program itself checks."""


_UNSEEN = {"unseen", "ended-by-us"}
"""Evidence of a run that may have stood or moved: it speaks neither for a freeze nor for a pass."""


@dataclass(frozen=True)
class Run(Generic[Candidate]):
    """One run: plain data."""

    candidate: Candidate
    ended: Ended
    signature: str | None
    """What makes it this failure and no other."""
    says: str
    """In a few words, for people."""
    seconds: float
    """What it cost, building included."""
    folder: str | None = None
    """The run's folder, relative to the search's."""
    passing: bool = False
    """Unresolved for a reason that may pass, such as no network: not written down, so tried again next time."""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; tuples become arrays."""
        value = asdict(self)
        del value["passing"]
        return {**value, "ended": self.ended.value}

    @classmethod
    def from_json(cls, value: Any) -> Run[Any]:
        """
        Reads what :meth:`to_json` wrote; arrays become tuples.

        :raises ValueError: it is something else.
        """
        if not isinstance(value, dict):
            raise ValueError("a run is a JSON object")
        try:
            # The candidate and the numbers are checked as those of an observation are.
            seen = Observation.from_json({**value, "outcome": Outcome.PASS.value})
            ended, says, folder = Ended(value["ended"]), value["says"], value["folder"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"a run lacks {error}") from None
        if not isinstance(says, str) or not (folder is None or isinstance(folder, str)):
            raise ValueError(f"says {says!r} or folder {folder!r} of a run is no text")
        return cls(seen.candidate, ended, seen.signature, says, seen.seconds, folder)


def judged(diagnosis: Diagnosis, counts: Counts, same: Same) -> tuple[Ended, str | None, str]:
    """How the diagnosed run ended, its signature, and the same in words."""
    if counts is Counts.EXIT_CODE:
        return _by_exit_code(diagnosis)
    seen = observed(diagnosis)
    verdict = diagnosis.verdict
    code = _exit_code(diagnosis)
    if verdict is Verdict.HEALTHY:
        if {item.kind for item in diagnosis.evidence} >= _UNSEEN:
            return Ended.UNRESOLVED, None, "its time limit was over, and nothing could be seen of its progress"
        if code:
            return Ended.FAILED, f"exit code {code}", f"ended with exit code {code}"
        return Ended.PASSED, None, str(verdict)
    if same is Same.STACK:
        signature = seen.signature
    else:
        parts = [f"{verdict} in {seen.phase or 'an unknown phase'}"]
        parts += [seen.culprit] if seen.culprit and same is Same.FUNCTION else []
        parts += [seen.signal] if seen.signal else []
        parts += [masked(seen.exception)] if seen.exception else []
        signature = " · ".join(parts)
    if verdict in (Verdict.SLOW_PHASE, Verdict.SLOWDOWN):
        return Ended.SLOW, signature, diagnosis.summary
    if verdict is Verdict.EXCEPTION:
        return Ended.FAILED, signature, seen.exception or diagnosis.summary
    return Ended.FROZE, signature, f"{verdict}: {diagnosis.summary}"


def _by_exit_code(diagnosis: Diagnosis) -> tuple[Ended, str | None, str]:
    kinds = {item.kind for item in diagnosis.evidence}
    if "ended-well" in kinds:
        return Ended.PASSED, None, "exit code 0"
    by_us = next((item.says for item in diagnosis.evidence if item.kind == "ended-by-us"), None)
    if by_us is not None and diagnosis.verdict in (Verdict.HEALTHY, Verdict.SLOW_PHASE, Verdict.SLOWDOWN):
        return Ended.SLOW, None, by_us
    code = _exit_code(diagnosis)
    return Ended.FROZE, None, f"exit code {code}" if code is not None else f"{diagnosis.verdict}: {diagnosis.summary}"


def _exit_code(diagnosis: Diagnosis) -> int | None:
    """Other than 0; None for that, and for a run that was ended."""
    for item in diagnosis.evidence:
        if item.kind == "ended-with-code":
            code = item.detail.get("exit_code")
            return code if isinstance(code, int) else None
    return None


@dataclass
class Meaning(Generic[Candidate]):
    """
    Says what runs mean, as soon as it is known what is sought: what the bad end shows.

    It follows from the runs alone, told in order.
    """

    bad: Candidate
    tries: int
    """Runs of the bad end in which a freeze or an error is waited for, before slowness is taken for what is sought."""
    _told: int = 0
    """Runs of the bad end."""
    _slow: str | None = None
    target: str | None = None
    """Signature of what is sought; None as long as nothing failed."""
    by_exit_code: bool = False

    def __call__(self, run: Run[Candidate]) -> Observation[Candidate]:
        """The run as an observation."""
        if run.ended is not Ended.UNRESOLVED and not self.by_exit_code:
            self._learn(run)
        outcome, signature = self._outcome(run)
        return Observation(run.candidate, outcome, signature, run.seconds)

    def outcome_of(self, run: Run[Candidate]) -> Outcome:
        """What a run that was told means by now."""
        return self._outcome(run)[0]

    def _learn(self, run: Run[Candidate]) -> None:
        if self.target is not None:
            return
        at_bad = run.candidate == self.bad
        self._told += at_bad
        # Of a freeze that the bad end did not show so far, the first is taken, wherever it is.
        if run.ended is Ended.FROZE or (run.ended is Ended.FAILED and at_bad):
            self.target = run.signature
        elif run.ended is Ended.SLOW and at_bad:
            self._slow = self._slow or run.signature
        if self.target is None and self._told >= self.tries:
            self.target = self._slow

    def _outcome(self, run: Run[Candidate]) -> tuple[Outcome, str | None]:
        if run.ended is Ended.UNRESOLVED:
            return Outcome.UNRESOLVED, None
        if run.ended is Ended.PASSED:
            return Outcome.PASS, None
        if self.by_exit_code:
            return (Outcome.FREEZE, None) if run.ended is Ended.FROZE else (Outcome.SLOW, None)
        if self.target is not None and run.signature == self.target:
            return Outcome.FREEZE, run.signature
        if run.ended is Ended.SLOW:
            return Outcome.SLOW, None
        return Outcome.OTHER_FAILURE, run.signature


def spent_s(runs: Iterable[Run[Any]]) -> float:
    """Seconds of all of them."""
    return sum(run.seconds for run in runs)
