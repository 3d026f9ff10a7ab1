"""What the checks found, in the flight recorder's text slot ``corruption``; and what a check may cost."""

from __future__ import annotations

import time
from typing import Any

from .. import giver, layout
from ..recorder import recorder

_MAX_FINDINGS = 16
_clock = time.monotonic_ns
_cost = time.thread_time_ns
_used = time.process_time_ns


class Findings:
    """Findings by kind and subject: the first of each is told in full, later ones are counted."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], dict[str, Any]] = {}
        self._path: str | None = None

    def add(self, kind: str, subject: str, detail: dict[str, Any]) -> None:
        """
        :param kind: ``buffer-changed``, ``non-finite``, ``semantic-mismatch`` or ``aliased-observation``.
        :param subject: the array or environment it is about.
        :param detail: JSON values.
        """
        if self._path != recorder.path:
            # Another process's, inherited over a fork.
            self._found, self._path = {}, recorder.path
        known = self._found.get((kind, subject))
        if known is not None:
            known["times"] += 1
            if known["times"] & (known["times"] - 1):
                return
        elif len(self._found) < _MAX_FINDINGS:
            self._found[kind, subject] = {
                "kind": kind,
                "subject": subject,
                "step": recorder.words[layout.STEP],
                "phases": [layout.PHASES[phase] for phase in recorder.open_phases],
                "at_ns": _clock(),
                "times": 1,
                **detail,
            }
        else:
            return
        recorder.text("corruption", {"findings": list(self._found.values())})

    def add_non_finite(self, buffer: Any, name: str, counts: dict[str, Any]) -> None:
        """
        Numbers that are none, and who gave them where that is known: a reward comes from an environment's ``step``.

        :param counts: as :func:`arrays.non_finite` gives them.
        """
        gave = giver.of_reward(counts["env"]) if name == "rewards" else None
        self.add("non-finite", name, {"buffer": type(buffer).__name__, **counts, "giver": gave})


findings = Findings()


class Account:
    """
    Keeps a check below its share of the run's time.

    What it costs is CPU time of its thread: on a busy machine it must not pay for the time it was kept waiting. Nor
    does the run get on by waiting for a core: its time is what passes, but no more than the CPU time of all its
    threads.

    :param share: of the run's time since the first question.
    :param credit_s: what may be spent ahead, so that a young run is checked in full.
    """

    def __init__(self, share: float, credit_s: float) -> None:
        self._share = share
        self._credit_ns = int(credit_s * 1e9)
        self._began = (0, 0)
        self._since = 0
        self.spent_ns = 0

    def open(self) -> bool:
        """Whether a check can be afforded now; if so its cost runs from here to :meth:`close`."""
        now, used = _clock(), _used()
        if not self._began[0]:
            self._began = now, used
        if self.spent_ns > self._credit_ns + self._share * min(now - self._began[0], used - self._began[1]):
            return False
        self.begin()
        return True

    def begin(self) -> None:
        """The cost of a check that follows from an earlier one runs from here to :meth:`close`."""
        self._since = _cost()

    def close(self) -> None:
        """The check is over."""
        self.spent_ns += _cost() - self._since
