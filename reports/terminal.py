"""What is shown in a terminal while a command runs, and once it has ended."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from matrix.analysis.analysis import Analysis
from matrix.analysis.confounding import Relation
from probes import causes
from probes.diagnosis import Diagnosis
from probes.watch import Status
from reports import plain, preflight_text, remedies_text, wording
from reports.redaction.document import redacted
from reports.redaction.redactor import Redactor
from reports.redaction.sweep import redacted_sweep
from reports.sweep import search as sweep_search

_QUIET_EVERY_S = 10.0


class LiveLine:
    """
    One line under the command's own output that says what is going on while its progress bar stands still.

    On a terminal it is redrawn in place; elsewhere it is printed now and then.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._tty = self._stream.isatty()
        self._drawn = False
        self._last_s = -_QUIET_EVERY_S
        self._redactor = Redactor(people=False)

    def clear(self) -> None:
        """Takes the line away, before other output."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False

    def show(self, status: Status) -> None:
        """Draws the line if there is something to say."""
        for item in status.warned:
            self.clear()
            self._stream.write(f"freezelab: {plain.line(preflight_text.line(item))}\n")
            self._stream.flush()
        if status.diagnosis is not None:
            self.clear()
            self._stream.write(f"freezelab: {plain.line(self._redactor.text(status.diagnosis.summary))}\n")
            self._stream.flush()
        if not status.suspicious:
            self.clear()
        elif self._tty:
            self.clear()
            self._stream.write(f"freezelab: {plain.line(status.line)}")
            self._stream.flush()
            self._drawn = True
        elif time.monotonic() - self._last_s >= _QUIET_EVERY_S:
            self._last_s = time.monotonic()
            self._stream.write(f"freezelab: {plain.line(status.line)}\n")
            self._stream.flush()


def sweep_summary(analysis: Analysis, redactor: Redactor | None = None) -> str:
    """
    How often each outcome occurred, and what a person must know who takes these counts for the whole truth.

    :param redactor: what it takes out is not shown; without one, secrets.
    """
    analysis = redacted_sweep(analysis, redactor or Redactor(people=False))
    lines = [f"{number:5} x  {plain.line(headline)}" for headline, number in analysis.headlines.items()]
    if analysis.search is not None:
        lines.append(f"search    {plain.line(sweep_search.sentence(analysis.search))}")
    failures = [finding for finding in analysis.findings if finding.verdict.is_failure]
    kinds = len({finding.verdict for finding in failures})
    if len(failures) > kinds:
        lines.append(f"failures  {len(failures)} different ones: verdict, phase and stack tell them apart")
    if analysis.flaky:
        lines.append(f"flaky     {wording.count(len(analysis.flaky), 'cell')} ended differently when run again")
    pairs = dict.fromkeys(
        (item.first[0], item.second[0]) for item in analysis.confounded if item.relation is Relation.TOGETHER
    )
    if pairs:
        told = ", ".join(f"{one} and {other}" for one, other in pairs)
        lines.append(f"mixed up  {plain.line(told)}: they changed together, and can't be told apart")
    return "\n".join(lines)


def summary(diagnosis: Diagnosis, redactor: Redactor | None = None) -> str:
    """
    The diagnosis in a few lines of plain text.

    :param redactor: what it takes out is not shown; without one, secrets.
    """
    diagnosis = redacted(diagnosis, redactor or Redactor(people=False))
    lines = [
        f"verdict   {diagnosis.verdict} (confidence {diagnosis.confidence:.2f})",
        f"          {plain.line(diagnosis.summary)}",
    ]
    if diagnosis.culprit is not None:
        lines.append(f"culprit   {plain.line(wording.place(diagnosis.culprit))}")
    done = wording.visible_iterations(diagnosis)
    if done and diagnosis.verdict.is_failure:
        pairs = ", ".join(
            f"step {row['step']}: {wording.seconds(row['collect_s'])} + {wording.seconds(row['train_s'])}"
            for row in done[:3]
        )
        lines.append(f"rollout + update   {pairs}")
    cause = causes.by_id(diagnosis.cause)
    if cause is not None:
        lines.append(f"what helps   {cause.advice}")
    lines += map(plain.clean, remedies_text.lines(diagnosis))
    return "\n".join(lines)
