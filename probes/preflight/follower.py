"""Follows a run until all that can be known beforehand is known."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Mapping
from typing import Any

from probes.diagnosis import Diagnosis, Evidence
from probes.preflight.checks import LONG_S, Warned, standing, warnings
from probes.preflight.known import (
    Known,
    forked_workers,
    libraries_threads,
    mapped_runtimes,
    visible_gpus,
    whose_before_fork,
)
from probes.progress import Progress
from probes.system import cgroup

KIND = "preflight"
"""Kind of the evidence."""
_TELLING = 3
_TELLING_S = 1.0
"""So many minibatches, or so long a time in them, tell how long the update will take."""
_PATIENCE_S = 4.0
"""So long is looked for threads of OpenMP: while they compute, nothing tells whose they are."""


class Preflight:
    """
    Follows a run until all that can be known beforehand is known.

    :param pid: the command's process.
    """

    def __init__(self, pid: int) -> None:
        self.warned: list[tuple[float, Warned]] = []
        """With seconds after the start of the run, in the order in which they were known."""
        self._groups = cgroup.Groups(pid)
        self._started = time.monotonic()
        self._learns = -1
        self._until = 0.0
        self._before: tuple[int, float] | None = None
        self._predicted = False
        self._threads: set[tuple[str, int]] = set()
        """Whose threads were seen, and when they were started."""

    def look(self, progress: Progress) -> list[Warned]:
        """What is newly known. Never raises: a warning that can't be given must not end the watching."""
        found: list[Warned] = []
        with contextlib.suppress(Exception):
            found += self._look(progress)
        known = {(item.id, item.what) for _, item in self.warned}
        fresh = [item for item in found if (item.id, item.what) not in known]
        self.warned += [(time.monotonic() - self._started, item) for item in fresh]
        return fresh

    def _look(self, progress: Progress) -> list[Warned]:
        state, recording = progress.state, progress.recording
        if state is None or recording is None:
            return []
        if "learn" not in state.path and "learn" not in state.phases:
            # Idle, a thread tells whose it is; once the training computes, it may never be idle again.
            self._threads.update(libraries_threads(recording.pid, mapped_runtimes(recording.pid)))
            return []
        found = []
        learns = state.phases["learn"].count if "learn" in state.phases else 0
        if learns != self._learns or time.monotonic() < self._until:
            facts = recording.text("facts") or {}
            if "preflight" in facts:
                if learns != self._learns:
                    # Only where workers were forked there is something to wait for.
                    forked = forked_workers(facts)
                    self._until = time.monotonic() + _PATIENCE_S if forked else 0.0
                self._learns = learns
                found += warnings(self.known(recording.pid, facts))
        found += self._predict(progress)
        return found

    def known(self, pid: int, facts: Mapping[str, Any]) -> Known:
        """Everything that the checks look at, of a process that trains."""
        mapped = mapped_runtimes(pid)
        forked = forked_workers(facts)
        if forked:
            self._threads.update(libraries_threads(pid, mapped))
        return Known(
            facts=facts,
            cores=self._cores(pid),
            runtimes=tuple(sorted({path for _, _, path in mapped})),
            gpus=visible_gpus(facts),
            before_fork=whose_before_fork(forked, self._threads),
        )

    def _cores(self, pid: int) -> float | None:
        try:
            cores = float(len(os.sched_getaffinity(pid)))
        except OSError:
            return None
        quota = self._groups.read().cpu_quota_cores
        return min(cores, quota) if quota is not None else cores

    def _predict(self, progress: Progress) -> list[Warned]:
        """How long the first update will take, once its first minibatch has ended."""
        state = progress.state
        if state is None or self._predicted or progress.train_since_ns is None or state.n_minibatches <= 0:
            if state is not None and progress.train_since_ns is None:
                done = state.phases.get("minibatch")
                self._before = (done.count, done.total_s) if done else (0, 0.0)
            return []
        done = state.phases.get("minibatch")
        count, total_s = self._before or (0, 0.0)
        if done is None or done.count <= count:
            return []
        # The first minibatch takes longer than those that follow; it speaks for itself only where it takes long.
        if done.count < count + _TELLING and done.total_s - total_s < _TELLING_S:
            return []
        self._predicted = True
        minibatches = state.n_minibatches * max(state.n_epochs, 1)
        whole_s = (done.total_s - total_s) / (done.count - count) * minibatches
        if whole_s <= LONG_S:
            return []
        return [standing(whole_s, whole_s, state.step, f"{minibatches} minibatches")]

    def noted(self, diagnosis: Diagnosis) -> Diagnosis:
        """The diagnosis with what was known beforehand; its verdict stays what it was."""
        found = tuple(
            Evidence(
                kind=KIND,
                at_s=round(at_s, 3),
                says=item.line,
                detail={
                    "id": item.id,
                    "what": item.what,
                    "why": item.why,
                    "advice": item.advice,
                    "before_step": item.before_step,
                    "measured": item.is_notice,
                },
            )
            for at_s, item in self.warned
        )
        return dataclasses.replace(diagnosis, evidence=(*diagnosis.evidence, *found))
