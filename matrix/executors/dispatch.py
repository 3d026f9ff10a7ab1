"""
Which trial goes to which worker, and what becomes of it when the worker dies, hangs, or nobody wants it any more.

Each worker is given as many trials at a time as it has threads, and no trial waits on a worker: so one that dies or
hangs keeps nothing but what it was running, and all that waits is here, where Ctrl-C finds it. Knows nothing of Dask
and has no clock and no thread: it is told what happened, and when.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from matrix.executors.crew import Crew, Member, Standing
from matrix.results.observation import Observation, Outcome
from matrix.running.trial import Order, TrialTask
from probes.watch import InterruptedRunError, Status

RUNNING, OVER = "running", "over"
"""Stages of a trial that its worker tells: the training program runs; it has nothing more to do with the trial."""
_STATUS_FIELDS = ("step", "phase", "suspicious", "rss_bytes")
_NO_GPU = "no worker of the cluster has a GPU to give: start one with dask worker … --resources GPU=1"


@dataclass(frozen=True)
class Patience:
    """How long a cluster is waited for."""

    attempts: int = 3
    """A trial that has lost so many workers is given up: it may be what kills them."""
    silence_s: float = 60.0
    """A worker that has said nothing for so long hangs."""
    overdue_s: float = 120.0
    """So long after its time limit, a trial's worker hangs too: it should have ended the trial."""
    recall_s: float = 15.0
    """How long a worker may take to end a trial that nobody wants any more."""
    nobody_s: float = 3600.0
    """After so long without any worker, what waits is given up; a batch system may take its time to start new ones."""
    gap_s: float = 4.0
    """If we had not looked at the cluster for so long, nobody's silence says anything."""
    beat_every_s: float = 2.0
    """How often a worker says how a trial gets on."""


@dataclass(eq=False)
class Flight:
    """A trial that was submitted."""

    task: TrialTask
    future: Future[Observation] = field(default_factory=Future)
    lost: list[str] = field(default_factory=list)
    """Why each earlier attempt came to nothing."""
    key: str = ""
    """Of the attempt under way; each has its own, so that an earlier one's answer is not taken for its."""
    worker: str = ""
    host: str = ""
    begun_at_s: float | None = None
    """When the training program was started."""
    recalled_at_s: float = 0.0
    beside: list[int] = field(default_factory=list)
    """How many others ran on the same machine, as it began and as it ended."""

    @property
    def threads(self) -> int:
        return self.task.trial.threads

    @property
    def gpu(self) -> bool:
        return self.task.order.gpu is not None

    def claim(self) -> bool:
        """Whether it is still to be run; from then on it can't be cancelled."""
        return bool(self.lost) or self.future.set_running_or_notify_cancel()


class Line(Protocol):
    """What connects us to the workers. No call may wait for one of them."""

    def send(self, key: str, order: Order, address: str) -> None:
        """Has the worker run ``order``; :meth:`Dispatcher.landed` or :meth:`Dispatcher.failed` is called in the end."""
        ...

    def recall(self, key: str) -> None:
        """Nobody wants it any more."""
        ...

    def fetch(self, key: str, flight: Flight) -> None:
        """Brings the answer home and settles the flight's future; or calls :meth:`Dispatcher.lost_on_the_way`."""
        ...

    def restart(self, address: str) -> None:
        """Has a worker that hangs ended, if somebody can."""
        ...


class Dispatcher:
    """See the module."""

    def __init__(
        self, line: Line, jobs: int | None, patience: Patience, on_note: Callable[[str], None] = lambda _: None
    ) -> None:
        """
        :param jobs: at most so many trials at once.
        :param on_note: told what a person should know.
        """
        self.crew = Crew()
        self.refused: dict[str, str] = {}
        """Address to the reason."""
        self._line, self._jobs, self._patience, self._note = line, jobs, patience, on_note
        self._waiting: deque[Flight] = deque()
        self._aloft: dict[str, Flight] = {}
        self._recalled: dict[str, Flight] = {}
        self._fetched = 0
        self._nobody_since_s: float | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._aloft and not self._recalled and not self._fetched

    @property
    def waiting(self) -> int:
        """Trials that no worker has."""
        return len(self._waiting)

    def submit(self, flight: Flight) -> None:
        """One more to run."""
        self._waiting.append(flight)

    def crew_is(self, workers: Mapping[str, Mapping[str, Any]], now_s: float) -> list[str]:
        """Takes note of the scheduler's list; returns who is to be asked whether it is fit, see :meth:`said`."""
        joined, left = self.crew.update(workers, now_s, self._patience.gap_s)
        for address in left:
            self.refused.pop(address, None)
            self._worker_lost(address, "was lost")
        return joined

    def said(self, address: str, why_unfit: str | None) -> None:
        """A worker has answered."""
        if (member := self.crew.members.get(address)) is None:
            return
        member.standing = Standing.FIT if why_unfit is None else Standing.REFUSED
        if why_unfit is not None:
            self.refused[address] = f"worker {address} {why_unfit}"
            self._note(f"not used: {self.refused[address]}")

    def heard(self, event: Mapping[str, Any], now_s: float) -> None:
        """A worker has told how a trial gets on."""
        key = event["key"]
        if event["stage"] == OVER and key in self._recalled:
            self._recall_ended(key)
        if (flight := self._aloft.get(key)) is None:
            return
        self.crew.excuse([flight.worker], now_s)
        task = flight.task
        if event["stage"] == RUNNING and flight.begun_at_s is None:
            flight.beside = [self._beside(flight)]
            flight.begun_at_s = now_s
            task.on_start(task.trial)
        if event["stage"] == RUNNING and event["line"]:
            more = {name: event[name] for name in _STATUS_FIELDS if name in event}
            task.on_status(task.trial, Status(elapsed_s=event["elapsed_s"], line=event["line"], **more))

    def landed(self, key: str) -> None:
        """A worker has an answer."""
        if (flight := self._leave(key)) is not None:
            flight.beside.append(self._beside(flight))
            self._fetched += 1
            self._line.fetch(key, flight)

    def failed(self, key: str, error: BaseException | None) -> None:
        """
        There will be no answer.

        :param error: raised by what we sent; None if it was the worker or the cluster.
        """
        if (flight := self._leave(key)) is None:
            return  # given to another meanwhile
        if error is None:
            self._again(flight, f"{flight.worker} was lost")
        else:
            reason = f"{type(error).__name__} on {flight.worker}: {error}"
            flight.future.set_result(Observation(Outcome.FAILED_TO_START, reason))

    def came_home(self) -> None:
        """What :meth:`Line.fetch` was asked for is done."""
        self._fetched -= 1

    def lost_on_the_way(self, flight: Flight, reason: str) -> None:
        """The answer can't be had."""
        self._fetched -= 1
        self._again(flight, reason)

    def tick(self, now_s: float, *, closing: bool) -> None:
        """To be called often. ``closing``: nothing new is begun."""
        self._heed_interrupts(now_s)
        self._heed_clock(now_s)
        if not closing:
            self._heed_emptiness(now_s)
            self._send_out()

    def give_up(self, error: Exception | None) -> None:
        """Ends all with ``error``; None cancels what waits."""
        flights = [] if error is None else [*self._aloft.values(), *self._recalled.values()]
        self._aloft, self._recalled = ({}, {}) if error else (self._aloft, self._recalled)
        while self._waiting:
            flight = self._waiting.popleft()
            if error is None and not flight.lost:
                flight.future.cancel()
            elif flight.claim():
                flights.append(flight)
        for flight in flights:
            flight.future.set_exception(error or InterruptedRunError())

    def _send_out(self) -> None:
        passed_over: list[Flight] = []
        while self._waiting and (self._jobs is None or len(self._aloft) < self._jobs):
            flight = self._waiting.popleft()
            if flight.future.cancelled():
                continue
            if flight.gpu and self.crew.fit and not any(member.gpus for member in self.crew.fit):
                self._settle(flight, Outcome.SKIPPED, _NO_GPU)
            elif (member := self.crew.choose(flight.threads, flight.gpu)) is None:
                passed_over.append(flight)
                if not flight.gpu:
                    break  # nothing behind it may overtake it for ever
            elif flight.claim():
                self._send(flight, member)
        self._waiting.extendleft(reversed(passed_over))

    def _send(self, flight: Flight, member: Member) -> None:
        self.crew.engage(member, flight.threads, flight.gpu)
        flight.key = f"trial-{flight.task.trial.id}-{uuid.uuid4().hex[:8]}"
        flight.worker, flight.host, flight.begun_at_s = member.address, member.host, None
        self._aloft[flight.key] = flight
        self._line.send(flight.key, flight.task.order, member.address)

    def _leave(self, key: str) -> Flight | None:
        if (flight := self._aloft.pop(key, None)) is not None:
            self.crew.release(flight.worker, flight.threads, flight.gpu)
        return flight

    def _again(self, flight: Flight, reason: str) -> None:
        """An attempt came to nothing."""
        flight.lost.append(reason)
        if len(flight.lost) < self._patience.attempts:
            self._waiting.appendleft(flight)
        else:
            self._settle(flight, Outcome.FAILED_TO_START, f"workers were lost with it: {'; '.join(flight.lost)}")

    def _settle(self, flight: Flight, outcome: Outcome, reason: str) -> None:
        if flight.claim():
            flight.future.set_result(Observation(outcome, reason))

    def _worker_lost(self, address: str, what: str) -> None:
        for key, flight in list(self._aloft.items()):
            if flight.worker == address:
                self._line.recall(key)
                self._leave(key)
                self._again(flight, f"{address} {what}")
        for key, flight in list(self._recalled.items()):
            if flight.worker == address:
                self._recall_ended(key)

    def _worker_hangs(self, address: str, what: str) -> None:
        self.crew.members[address].standing = Standing.HANGS
        self._note(f"worker {address} {what}; its trials are given to others")
        self._worker_lost(address, what)
        self._line.restart(address)

    def _heed_interrupts(self, now_s: float) -> None:
        for key, flight in list(self._aloft.items()):
            task = flight.task
            if task.should_stop() or (flight.begun_at_s is None and not task.may_start()):
                self._line.recall(key)
                flight.recalled_at_s = now_s
                self._recalled[key] = self._aloft.pop(key)
        # Those that wait to be run again can't be cancelled any more by whoever submitted them.
        for flight in [flight for flight in self._waiting if flight.lost and not flight.task.may_start()]:
            self._waiting.remove(flight)
            flight.future.set_exception(InterruptedRunError())

    def _recall_ended(self, key: str) -> None:
        flight = self._recalled.pop(key)
        self.crew.release(flight.worker, flight.threads, flight.gpu)
        flight.future.set_exception(InterruptedRunError())

    def _heed_clock(self, now_s: float) -> None:
        for member in self.crew.silent(now_s, self._patience.silence_s):
            self._worker_hangs(member.address, "does not answer")
        for key, flight in list(self._aloft.items()):
            limit_s = flight.task.trial.limit_s + self._patience.overdue_s
            if key in self._aloft and flight.begun_at_s is not None and now_s - flight.begun_at_s > limit_s:
                self._worker_hangs(flight.worker, "does not end a trial whose time is up")
        for key, flight in list(self._recalled.items()):
            if now_s - flight.recalled_at_s > self._patience.recall_s:
                self._recall_ended(key)

    def _heed_emptiness(self, now_s: float) -> None:
        if self.crew.hopeful or not self._waiting:
            self._nobody_since_s = None
        elif self._nobody_since_s is None:
            self._nobody_since_s = now_s
            self._note("the cluster has no worker left that can run trials; waiting for one")
        elif now_s - self._nobody_since_s > self._patience.nobody_s:
            while self._waiting:
                reason = f"no worker of the cluster for {self._patience.nobody_s:g} s"
                self._settle(self._waiting.popleft(), Outcome.FAILED_TO_START, reason)

    def _beside(self, flight: Flight) -> int:
        there = [other for other in self._aloft.values() if other.host == flight.host and other is not flight]
        return sum(other.begun_at_s is not None for other in there)
