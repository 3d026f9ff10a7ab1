"""What came of one trial: plain data, as it is stored."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field

from probes import signature
from probes.diagnosis import Diagnosis
from probes.verdicts import Verdict

_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_MESSAGE_LIMIT = 200
_EXCEPTION_KINDS = ("uncaught-exception", "memory-error")
"""Kinds of evidence that hold the error which ended the program."""


class Outcome(str, enum.Enum):
    """Whether the trial ran, and if not, what kept it from running."""

    RAN = "ran"
    SKIPPED = "skipped"
    """This machine lacks what the cell needs."""
    UNSATISFIABLE = "unsatisfiable"
    """The cell's libraries can't be had together."""
    FAILED_TO_START = "failed-to-start"
    """Something went wrong before training: it may go well the next time."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Observation:
    """One trial's outcome and, if it ran, the heads of its diagnosis. Unknown is None."""

    outcome: Outcome
    reason: str | None = None
    """Why it did not run."""
    verdict: Verdict | None = None
    phase: str | None = None
    step: int | None = None
    culprit: str | None = None
    """Name of the function."""
    culprit_file: str | None = None
    library: str | None = None
    cause: str | None = None
    exception: str | None = None
    """``RuntimeError: Expected hidden[0] size (1, 64, 256), got [1, 1, 256]``"""
    signal: str | None = None
    heap_message: str | None = None
    summary: str | None = None
    confidence: float | None = None
    observed_s: float | None = None
    detected_after_s: float | None = None
    phases: dict[str, dict[str, float]] = field(default_factory=dict)
    """Phase to ``{count, total_s, max_s}``."""
    wall_s: float | None = None
    started_at: str | None = None
    """UTC, ISO 8601."""
    lock: str | None = None
    folder: str | None = None
    """The run's folder, relative to the sweep's."""
    artifacts: dict[str, str] = field(default_factory=dict)
    """What lies in it, by name; relative to the sweep's folder, too."""
    host: str | None = None
    """The machine that it ran on."""
    gpu: str | None = None
    """The GPU that was picked for it, as ``CUDA_VISIBLE_DEVICES`` named it."""
    peak_rss_bytes: int | None = None
    """Resident memory of all its processes, the most that was seen at one of two readings a second."""
    beside: float | None = None
    """How many other trials of the sweep ran on this machine meanwhile, on average."""
    load_before: float | None = None
    """Load average over a minute, as it began."""
    load_after: float | None = None
    steal: float | None = None
    """Share (0 to 1) of its cores' time that the hypervisor gave to others."""
    throttled_s: float | None = None
    """Time for which the control group's CPU quota held it back."""
    stack: str | None = None
    """Where it stood, in a form that runs can share: ``probes.signature.stack_of``; column ``stack`` of the store."""

    @property
    def headline(self) -> str:
        """``slow-phase``, ``skipped: no CUDA device``"""
        if self.verdict is not None:
            return str(self.verdict)
        return f"{self.outcome}: {self.reason}" if self.reason else str(self.outcome)

    @property
    def signature(self) -> str | None:
        """
        What two runs must share to have failed in the same way: verdict, phase, function, masked message, and the
        normalised stack, for which eight digits stand: ``deadlock in train · take_both · stack 5c1f09ab``.

        Healthy runs are all alike. Heap messages are left out: one overflow shows in several. A stack of one call says
        no more than the function.
        """
        if self.verdict is None or self.verdict is Verdict.HEALTHY:
            return None if self.verdict is None else str(self.verdict)
        where = f"{self.verdict} in {self.phase or 'an unknown phase'}"
        stack = f"stack {signature.digest(self.stack)}" if self.stack and signature.SEPARATOR in self.stack else None
        parts = [where, self.culprit, self.signal, masked(self.exception) if self.exception else None, stack]
        return " · ".join(part for part in parts if part)


def masked(message: str) -> str:
    """The message's first line with every number and address as ``#``."""
    first = (message.strip().splitlines() or [""])[0]
    return " ".join(_NUMBER.sub("#", first).split())[:_MESSAGE_LIMIT]


def observed(diagnosis: Diagnosis) -> Observation:
    """The heads of a diagnosis."""
    culprit, signal = diagnosis.culprit, diagnosis.signal
    return Observation(
        outcome=Outcome.RAN,
        verdict=diagnosis.verdict,
        phase=diagnosis.phase,
        step=diagnosis.step,
        culprit=culprit.function if culprit else None,
        culprit_file=culprit.file if culprit else None,
        library=culprit.library if culprit else None,
        cause=diagnosis.cause,
        exception=_exception(diagnosis),
        signal=signal.name if signal else None,
        heap_message=signal.heap_message if signal else None,
        summary=diagnosis.summary,
        confidence=diagnosis.confidence,
        observed_s=diagnosis.timing.observed_s,
        detected_after_s=diagnosis.timing.detected_after_s,
        phases=diagnosis.timing.phases,
        artifacts=dict(diagnosis.artifacts),
        stack=signature.stack_of(diagnosis),
    )


def _exception(diagnosis: Diagnosis) -> str | None:
    for item in diagnosis.evidence:
        if item.kind in _EXCEPTION_KINDS:
            return f"{item.detail['type']}: {item.detail['message']}" if "type" in item.detail else item.says
    return None
