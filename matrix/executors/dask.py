"""
A Dask cluster: trials run on its workers, and what they leave comes home.

Each worker is given as many trials at a time as it has threads, and no trial waits on a worker: so one that dies or
hangs keeps nothing but what it was running, and all waiting trials stay here, where Ctrl-C finds them. Dask carries
orders and answers and knows who is there; that a trial is not wanted any more its worker sees by the state of the
task, which Dask keeps also when this process is killed.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import distributed

from matrix.errors import MatrixError
from matrix.executors.cluster import CONNECT_WITHIN_S, GPU
from matrix.executors.crew import Crew, Standing
from matrix.executors.interface import Needs, Task
from matrix.executors.parcel import ParcelError, unpack
from matrix.executors.remote import OVER, RUNNING, Answer, Survey, Terms, run_order, survey, version
from matrix.results.observation import Observation, Outcome
from matrix.running.trial import CELLS_FOLDER, TrialTask
from probes.watch import InterruptedRunError, Status

WORKER_FILE = "worker.json"
"""In a run's folder: who ran it, and which files were too large to come home."""
_TICK_S = 0.2
_LOOK_EVERY_S = 1.0
_FETCHERS = 4
_STATUS_FIELDS = ("step", "phase", "suspicious", "rss_bytes")


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
    nobody_s: float = 300.0
    """After so long without any worker, what waits is given up."""
    beat_every_s: float = 2.0


@dataclass
class _Flight:
    """A trial that was submitted."""

    task: TrialTask
    future: Future[Observation]
    lost: list[str] = field(default_factory=list)
    """Why each earlier attempt came to nothing."""
    key: str = ""
    """Of the attempt under way."""
    carrier: distributed.Future | None = None
    worker: str = ""
    host: str = ""
    begun_at_s: float | None = None
    """When its training program was started."""
    beside: list[int] = field(default_factory=list)
    """How many others ran on the same machine, as it began and as it ended."""
    recalled_at_s: float | None = None

    @property
    def threads(self) -> int:
        return self.task.trial.threads

    @property
    def gpu(self) -> bool:
        return self.task.order.gpu is not None


class DaskExecutor:
    """See the module. Its state belongs to one thread; everybody else leaves word in its inbox."""

    builds_environments = True
    """Workers do, each in its machine's own cache."""

    def __init__(
        self,
        client: distributed.Client,
        threads: int = 1,
        jobs: int | None = None,
        *,
        timing: str = "own-cores",
        files: Iterable[str] = (),
        patience: Patience | None = None,
        on_note: Callable[[str], None] = lambda _: None,
        wanted_version: str | None = None,
    ) -> None:
        """
        :param client: see :func:`matrix.executors.cluster.connected`.
        :param threads: cores for each trial; what ``slots`` is reckoned with.
        :param jobs: at most so many trials at once; None is as many as the workers take.
        :param timing: see :data:`matrix.plan.plan.TIMINGS`.
        :param files: what every worker must see; one that does not is refused.
        :param on_note: told what a person should know; called from a thread of the executor's own.
        :param wanted_version: of FreezeLab, on every worker; None is ours.
        """
        self._client, self._threads, self._jobs = client, threads, jobs
        self._patience = patience or Patience()
        self._files, self._note, self._version = tuple(files), on_note, wanted_version or version()
        self._terms = Terms(f"freezelab-{uuid.uuid4().hex}", timing, self._patience.beat_every_s)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._crew = Crew()
        self._refused: dict[str, str] = {}
        self._asking: dict[str, distributed.Future] = {}
        self._waiting: deque[_Flight] = deque()
        self._aloft: dict[str, _Flight] = {}
        self._recalled: dict[str, _Flight] = {}
        self._landing = 0
        self._nobody_since_s: float | None = None
        self._gone: MatrixError | None = None
        self._closed = threading.Event()
        self._surveyed = threading.Event()
        self._fetchers = ThreadPoolExecutor(_FETCHERS, thread_name_prefix="fetch")
        self._lookout = threading.Thread(target=self._look_out, name="cluster-lookout", daemon=True)
        self._dispatcher = threading.Thread(target=self._dispatch_all, name="cluster", daemon=True)

    @property
    def slots(self) -> int:
        """How many trials run at once; changes as workers come and go."""
        slots = max(1, self._crew.slots(self._threads))
        return slots if self._jobs is None else min(slots, self._jobs)

    def submit(self, task: Task, needs: Callable[[], Needs] = Needs) -> Future[Observation]:
        """
        See :meth:`matrix.executors.interface.Executor.submit`.

        :raises TypeError: ``task`` can't travel.
        """
        if not isinstance(task, TrialTask):
            raise TypeError(f"{type(task).__name__} can't be sent to a cluster")
        flight = _Flight(task, Future())
        self._inbox.put(partial(self._waiting.append, flight))
        return flight.future

    def __enter__(self) -> DaskExecutor:
        """
        Waits for the first worker that is fit.

        :raises MatrixError: none is, and why.
        """
        self._client.subscribe_topic(self._terms.topic, lambda event: self._inbox.put(partial(self._heard, event[1])))
        self._lookout.start()
        self._dispatcher.start()
        answered = self._surveyed.wait(CONNECT_WITHIN_S)
        if not self._crew.fit:
            self.__exit__()
            reasons = "; ".join(sorted(set(self._refused.values())))
            raise MatrixError(
                f"no worker of the cluster can run trials: {reasons}"
                if answered
                else f"no worker of the cluster said within {CONNECT_WITHIN_S:g} s which FreezeLab it has"
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._dispatcher.join()
        self._lookout.join()
        self._fetchers.shutdown()
        with contextlib.suppress(Exception):  # the cluster may be gone
            self._client.unsubscribe_topic(self._terms.topic)

    # The lookout's thread

    def _look_out(self) -> None:
        failing_since_s: float | None = None
        while not self._closed.is_set() or self._dispatcher.is_alive():
            try:
                workers = dict(self._client.scheduler_info(n_workers=-1)["workers"])
            except Exception as error:  # noqa: BLE001 - whatever it is, we can't see the cluster
                failing_since_s = failing_since_s or time.monotonic()
                if time.monotonic() - failing_since_s > self._patience.silence_s or self._client.status == "closed":
                    self._inbox.put(partial(self._scheduler_gone, error))
            else:
                failing_since_s = None
                self._inbox.put(partial(self._crew_is, workers))
            if self._closed.wait(_LOOK_EVERY_S):
                time.sleep(_TICK_S)

    # The dispatcher's thread

    def _dispatch_all(self) -> None:
        while not self._closed.is_set() or self._aloft or self._recalled or self._landing:
            with contextlib.suppress(queue.Empty):
                self._inbox.get(timeout=_TICK_S)()
                while True:
                    self._inbox.get_nowait()()
            self._heed_interrupts()
            self._heed_clock()
            if self._gone is not None:
                self._give_up_all(self._gone)
            elif not self._closed.is_set():
                self._send_out()
        while self._waiting:
            self._waiting.popleft().future.cancel()

    def _crew_is(self, workers: Mapping[str, Mapping[str, Any]]) -> None:
        joined, left = self._crew.update(workers, time.monotonic(), 3 * _LOOK_EVERY_S + _TICK_S)
        for address in left:
            self._refused.pop(address, None)
            self._asking.pop(address, None)
            self._worker_lost(address, "was lost")
        for address in joined:
            # Restricted to it, so that it is it who answers.
            asked = self._client.submit(
                survey, self._files, key=f"survey-{uuid.uuid4().hex}", workers=[address], pure=False
            )
            self._asking[address] = asked
            # What it says is fetched by another thread: a worker that hangs just then would have us hang, too.
            asked.add_done_callback(partial(self._fetchers.submit, self._hear_out, address))

    def _said(self, address: str, reason: str | None) -> None:
        """It is known whether a worker is fit."""
        if self._asking.pop(address, None) is None or (member := self._crew.members.get(address)) is None:
            return
        if reason is None:
            member.standing = Standing.FIT
        else:
            member.standing = Standing.REFUSED
            self._refused[address] = reason
            self._note(f"not used: {reason}")
        if not self._asking:
            self._surveyed.set()

    def _heard(self, event: Mapping[str, Any]) -> None:
        """A sign of life."""
        key, now_s = event["key"], time.monotonic()
        if key in self._recalled:
            if event["stage"] == OVER:
                self._recall_ended(key)
            return
        if (flight := self._aloft.get(key)) is None:
            return
        self._crew.excuse([flight.worker], now_s)
        trial, task = flight.task.trial, flight.task
        if event["stage"] == RUNNING and flight.begun_at_s is None:
            flight.begun_at_s, flight.beside = now_s, [self._beside(flight)]
            task.on_start(trial)
        if event["stage"] == RUNNING and event["line"]:
            more = {name: event[name] for name in _STATUS_FIELDS if name in event}
            task.on_status(trial, Status(elapsed_s=event["elapsed_s"], line=event["line"], **more))

    def _landed(self, key: str) -> None:
        """The answer is there, or there will be none."""
        if (flight := self._aloft.get(key)) is None:
            return  # given to another meanwhile: whatever this one says comes too late
        carrier = flight.carrier
        self._leave(flight)
        if carrier is not None and carrier.status == "finished":
            flight.beside.append(self._beside(flight))
            self._landing += 1
            self._fetchers.submit(self._fetch, flight, carrier)
            return
        error = carrier.exception() if carrier is not None and carrier.status == "error" else None
        if error is None or isinstance(error, distributed.KilledWorker):
            self._again(flight, f"{flight.worker} was lost")
        else:
            flight.future.set_result(
                Observation(Outcome.FAILED_TO_START, f"{type(error).__name__} on {flight.worker}: {error}")
            )

    def _leave(self, flight: _Flight) -> None:
        del self._aloft[flight.key]
        self._crew.release(flight.worker, flight.threads, flight.gpu)

    def _again(self, flight: _Flight, reason: str) -> None:
        """An attempt came to nothing."""
        flight.lost.append(reason)
        if len(flight.lost) < self._patience.attempts:
            self._waiting.appendleft(flight)
            return
        flight.future.set_result(
            Observation(Outcome.FAILED_TO_START, f"given up after {len(flight.lost)} workers: {'; '.join(flight.lost)}")
        )

    def _worker_lost(self, address: str, what: str) -> None:
        for flight in [flight for flight in self._aloft.values() if flight.worker == address]:
            self._recall_carrier(flight)
            self._leave(flight)
            self._again(flight, f"{address} {what}")
        for key in [key for key, flight in self._recalled.items() if flight.worker == address]:
            self._recall_ended(key)

    def _worker_hangs(self, address: str, what: str) -> None:
        self._crew.members[address].standing = Standing.HANGS
        self._note(f"worker {address} {what}; its trials are given to others")
        self._worker_lost(address, what)
        # Its nanny, if it has one, ends it, and with it what it was running.
        self._fetchers.submit(self._restart, address)

    def _heed_interrupts(self) -> None:
        for flight in list(self._aloft.values()):
            task = flight.task
            if task.should_stop() or (flight.begun_at_s is None and not task.may_start()):
                self._recall_carrier(flight)
                flight.recalled_at_s = time.monotonic()
                self._recalled[flight.key] = self._aloft.pop(flight.key)

    def _recall_carrier(self, flight: _Flight) -> None:
        """Nobody wants the answer any more: its worker sees that and ends the run."""
        if flight.carrier is not None:
            flight.carrier.release()
            flight.carrier = None

    def _recall_ended(self, key: str) -> None:
        flight = self._recalled.pop(key)
        self._crew.release(flight.worker, flight.threads, flight.gpu)
        flight.future.set_exception(InterruptedRunError())

    def _heed_clock(self) -> None:
        now_s, patience = time.monotonic(), self._patience
        for member in self._crew.silent(now_s, patience.silence_s):
            self._worker_hangs(member.address, "does not answer")
        for flight in list(self._aloft.values()):
            begun = flight.begun_at_s
            overdue = begun is not None and now_s - begun > flight.task.trial.limit_s + patience.overdue_s
            if overdue and flight.key in self._aloft and flight.worker in self._crew.members:
                self._worker_hangs(flight.worker, "does not end a trial whose time is up")
        for key, flight in list(self._recalled.items()):
            if flight.recalled_at_s is not None and now_s - flight.recalled_at_s > patience.recall_s:
                self._recall_ended(key)
        if self._crew.fit or self._asking or not self._waiting:
            self._nobody_since_s = None
        elif self._nobody_since_s is None:
            self._nobody_since_s = now_s
            self._note("the cluster has no worker left that can run trials; waiting for one")
        elif now_s - self._nobody_since_s > patience.nobody_s:
            while self._waiting:
                self._settle(self._waiting.popleft(), Outcome.FAILED_TO_START, f"no worker for {patience.nobody_s:g} s")

    def _scheduler_gone(self, error: Exception) -> None:
        self._gone = MatrixError(
            f"the cluster's scheduler is gone ({error or type(error).__name__}); the same command goes on where "
            "this one stopped"
        )
        self._surveyed.set()

    def _give_up_all(self, error: MatrixError) -> None:
        for flight in [*self._aloft.values(), *self._recalled.values()]:
            flight.future.set_exception(error)
        self._aloft.clear()
        self._recalled.clear()
        while self._waiting:
            flight = self._waiting.popleft()
            if flight.lost or flight.future.set_running_or_notify_cancel():
                flight.future.set_exception(error)

    def _send_out(self) -> None:
        passed_over: list[_Flight] = []
        while self._waiting and (self._jobs is None or len(self._aloft) < self._jobs):
            flight = self._waiting.popleft()
            if flight.future.cancelled():
                continue
            if flight.gpu and self._crew.fit and not any(member.gpus for member in self._crew.fit):
                self._settle(flight, Outcome.SKIPPED, _NO_GPU)
                continue
            member = self._crew.choose(flight.threads, flight.gpu)
            if member is not None and (flight.lost or flight.future.set_running_or_notify_cancel()):
                self._crew.engage(member, flight.threads, flight.gpu)
                self._send(flight, member.address, member.host)
            elif member is None:
                passed_over.append(flight)
                if not flight.gpu:
                    break  # what comes behind may not overtake it for ever
        self._waiting.extendleft(reversed(passed_over))

    def _send(self, flight: _Flight, address: str, host: str) -> None:
        # A key of its own for every attempt: an earlier one's answer is not this one's.
        flight.key = f"trial-{flight.task.trial.id}-{uuid.uuid4().hex[:8]}"
        flight.worker, flight.host, flight.begun_at_s = address, host, None
        self._aloft[flight.key] = flight
        flight.carrier = self._client.submit(
            run_order,
            flight.task.order,
            self._terms,
            key=flight.key,
            workers=[address],
            resources={GPU: 1} if flight.gpu else None,
            pure=False,
        )
        key = flight.key
        flight.carrier.add_done_callback(lambda _: self._inbox.put(partial(self._landed, key)))

    def _settle(self, flight: _Flight, outcome: Outcome, reason: str) -> None:
        """Without having been run."""
        if flight.lost or flight.future.set_running_or_notify_cancel():
            flight.future.set_result(Observation(outcome, reason))

    def _beside(self, flight: _Flight) -> int:
        there = [other for other in self._aloft.values() if other.host == flight.host and other is not flight]
        return sum(other.begun_at_s is not None for other in there)

    # The fetchers' threads

    def _hear_out(self, address: str, asked: distributed.Future) -> None:
        reason = _why_unfit(address, asked, self._version)
        self._inbox.put(partial(self._said, address, reason))

    def _fetch(self, flight: _Flight, carrier: distributed.Future) -> None:
        try:
            answer: Answer | None = carrier.result(timeout=self._patience.silence_s)
        except Exception as error:  # noqa: BLE001 - it died with the answer in its hands
            self._inbox.put(partial(self._lost_on_the_way, flight, f"{flight.worker}: {type(error).__name__}: {error}"))
            return
        finally:
            carrier.release()
        if answer is None:
            self._inbox.put(partial(self._lost_on_the_way, flight, f"{flight.worker} was told to end"))
            return
        observation = _brought_home(flight.task, answer)
        if observation.outcome is Outcome.RAN:
            observation = replace(observation, beside=sum(flight.beside) / len(flight.beside))
        flight.future.set_result(observation)
        self._inbox.put(self._one_landed)

    def _lost_on_the_way(self, flight: _Flight, reason: str) -> None:
        self._one_landed()
        self._again(flight, reason)

    def _one_landed(self) -> None:
        self._landing -= 1

    def _restart(self, address: str) -> None:
        with contextlib.suppress(Exception):  # at worst it stays as it is: nobody waits for it
            self._client.restart_workers([address], timeout=self._patience.recall_s, raise_for_error=False)


_NO_GPU = "no worker of the cluster has a GPU to give: start one with dask worker … --resources GPU=1"


def _why_unfit(address: str, asked: distributed.Future, wanted_version: str) -> str | None:
    """Why a worker can't be given trials."""
    if asked.status != "finished":
        error = asked.exception() if asked.status == "error" else None
        if isinstance(error, ImportError):
            return (
                f"worker {address} has no FreezeLab {wanted_version} ({error}); "
                f"install it there: pip install 'freezelab[cluster]'"
            )
        return f"worker {address} can't say which FreezeLab it has ({error or asked.status})"
    try:
        answer: Survey = asked.result(timeout=CONNECT_WITHIN_S)
    except Exception as failure:  # noqa: BLE001 - whatever it is, it gives no answer
        return f"worker {address} can't say which FreezeLab it has ({type(failure).__name__}: {failure})"
    if answer.version != wanted_version:
        return f"worker {address} has FreezeLab {answer.version}, this is {wanted_version}; install the same on both"
    if answer.missing:
        return (
            f"worker {address} does not see {', '.join(answer.missing)}; "
            "put your own files where all workers see them under the same path"
        )
    return None


def _brought_home(task: TrialTask, answer: Answer) -> Observation:
    """Puts what the run left into the sweep's folder."""
    observation = answer.observation
    if observation.folder is None:
        return observation
    folder = task.sweep / CELLS_FOLDER / task.trial.id
    try:
        unpack(answer.parcel, folder)
        (folder / WORKER_FILE).write_text(json.dumps(answer.worker, indent=1) + "\n", encoding="utf-8")
    except (ParcelError, OSError) as error:
        # What was observed is known all the same.
        return replace(observation, folder=None, artifacts={}, reason=f"its files did not come home: {error}")
    there = {name: path for name, path in observation.artifacts.items() if (task.sweep / path).exists()}
    return replace(observation, artifacts=there)
