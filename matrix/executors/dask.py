"""
A Dask cluster: trials run on its workers, and what they leave comes home.

Dask carries orders and answers and knows who is there. That a trial is not wanted any more its worker sees by the
state of the task, which Dask keeps also when this process is killed. What is sent where is decided in ``dispatch``.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import distributed

from matrix.errors import MatrixError
from matrix.executors.cluster import GPU
from matrix.executors.dispatch import Dispatcher, Flight, Patience
from matrix.executors.fitness import Survey, survey, version, why_unfit
from matrix.executors.interface import Needs, Task
from matrix.executors.letters import OPEN, letter, read_reply
from matrix.executors.parcel import ParcelError, unpack
from matrix.executors.remote import Answer, Terms, run_order
from matrix.results.observation import Observation, Outcome
from matrix.running.trial import CELLS_FOLDER, Order, TrialTask

WORKER_FILE = "worker.json"
"""In a run's folder: who ran it, and which files were too large to come home."""
_TICK_S = 0.2
_LOOK_EVERY_S = 1.0
_HELPERS = 4
_ANSWER_WITHIN_S = 30.0
"""A worker imports FreezeLab before it answers for the first time."""
_DEMAND = "FREEZELAB-DEMAND"
"""A resource that no worker has: tasks that ask for it are how an adaptive cluster sees that trials wait."""
_MOST_DEMANDED = 64


class DaskExecutor:
    """Its dispatcher belongs to one thread; everybody else leaves word in that thread's inbox."""

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
        self._files, self._version = tuple(files), wanted_version or version()
        self._terms = Terms(f"freezelab-{uuid.uuid4().hex}", timing, self._patience.beat_every_s)
        self._dispatcher = Dispatcher(self, jobs, self._patience, self._note)
        self._tell = on_note
        self._early_notes: list[str] | None = []
        """Until it is known whether they are the reason why there is nothing to begin with."""
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._carriers: dict[str, Any] = {}
        """Dask's futures, by key."""
        self._demands: list[Any] = []
        self._asked: set[str] = set()
        self._all_said = threading.Event()
        self._gone: MatrixError | None = None
        self._closed, self._ended = threading.Event(), threading.Event()
        self._helpers = ThreadPoolExecutor(_HELPERS, thread_name_prefix="cluster-helper")
        self._work = threading.Thread(target=self._dispatch, name="cluster", daemon=True)
        self._lookout = threading.Thread(target=self._look_out, name="cluster-lookout", daemon=True)

    @property
    def slots(self) -> int:
        """How many trials run at once; changes as workers come and go."""
        slots = max(1, self._dispatcher.crew.slots(self._threads))
        return slots if self._jobs is None else min(slots, self._jobs)

    def submit(self, task: Task, needs: Callable[[], Needs] = Needs) -> Future[Observation]:
        """
        See :meth:`matrix.executors.interface.Executor.submit`. Memory is each worker's own affair.

        :raises TypeError: ``task`` can't travel.
        """
        if not isinstance(task, TrialTask):
            raise TypeError(f"{type(task).__name__} can't be sent to a cluster")
        flight = Flight(task)
        self._inbox.put(partial(self._dispatcher.submit, flight))
        return flight.future

    def __enter__(self) -> DaskExecutor:
        """
        Waits until the workers that are there have said whether they are fit; again, it waits for nothing.

        :raises MatrixError: none is, and why.
        """
        if self._work.is_alive():
            return self
        self._client.subscribe_topic(self._terms.topic, self._hear)
        self._work.start()
        self._lookout.start()
        self._all_said.wait(_ANSWER_WITHIN_S)
        if not self._dispatcher.crew.fit:
            self.__exit__()
            if self._gone is not None:
                raise self._gone
            reasons = "; ".join(sorted(self._dispatcher.refused.values()))
            silence = f"none said within {_ANSWER_WITHIN_S:g} s which FreezeLab it has"
            raise MatrixError(f"no worker of the cluster can run trials: {reasons or silence}")
        early, self._early_notes = self._early_notes or [], None
        for note in early:
            self._tell(note)
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._work.join()
        self._ended.set()
        self._lookout.join()
        self._helpers.shutdown()
        with contextlib.suppress(Exception):  # the cluster may be gone
            self._client.unsubscribe_topic(self._terms.topic)

    def _note(self, text: str) -> None:
        if self._early_notes is None:
            self._tell(text)
        else:
            self._early_notes.append(text)

    # What the dispatcher asks of us, in its thread

    def send(self, key: str, order: Order, address: str) -> None:
        """See :meth:`matrix.executors.dispatch.Line.send`."""
        carrier = self._client.submit(
            OPEN,
            letter(run_order, order, self._terms),
            key=key,
            workers=[address],
            resources={GPU: 1} if order.gpu else None,
            pure=False,
        )
        self._carriers[key] = carrier
        carrier.add_done_callback(lambda _: self._inbox.put(partial(self._arrived, key)))

    def recall(self, key: str) -> None:
        """See :meth:`matrix.executors.dispatch.Line.recall`."""
        self._carriers.pop(key).release()  # the scheduler forgets a task that nobody wants, and tells its worker

    def fetch(self, key: str, flight: Flight) -> None:
        """See :meth:`matrix.executors.dispatch.Line.fetch`."""
        self._helpers.submit(self._fetch, flight, self._carriers.pop(key))

    def restart(self, address: str) -> None:
        """See :meth:`matrix.executors.dispatch.Line.restart`."""

        def ask() -> None:
            # Its nanny, if it has one, ends it. At worst it stays as it is: nobody waits for it.
            with contextlib.suppress(Exception):
                self._client.restart_workers([address], timeout=self._patience.recall_s, raise_for_error=False)

        self._helpers.submit(ask)

    # The dispatcher's thread

    def _dispatch(self) -> None:
        while not (self._closed.is_set() and self._dispatcher.idle):
            with contextlib.suppress(queue.Empty):
                self._inbox.get(timeout=_TICK_S)()
                while True:
                    self._inbox.get_nowait()()
            if self._gone is not None:
                self._dispatcher.give_up(self._gone)
            self._dispatcher.tick(time.monotonic(), closing=self._closed.is_set() or self._gone is not None)
            self._demand(0 if self._closed.is_set() or self._gone is not None else self._dispatcher.waiting)
        self._dispatcher.give_up(None)

    def _demand(self, number: int) -> None:
        """Lets the scheduler know how many trials wait, which are all here and none of its business otherwise."""
        number = min(number, _MOST_DEMANDED)
        while len(self._demands) < number:
            key = f"freezelab-waiting-{uuid.uuid4().hex}"
            self._demands.append(self._client.submit(int, key=key, resources={_DEMAND: 1}, pure=False))
        while len(self._demands) > number:
            self._demands.pop().release()

    def _crew_is(self, workers: dict[str, dict[str, Any]]) -> None:
        for address in self._dispatcher.crew_is(workers, time.monotonic()):
            # Restricted to it, so that it is it who answers.
            asked = self._client.submit(
                OPEN,
                letter(survey, self._files),
                key=f"survey-{uuid.uuid4().hex}",
                workers=[address],
                pure=False,
            )
            self._asked.add(address)
            asked.add_done_callback(lambda asked, address=address: self._helpers.submit(self._hear_out, address, asked))
        self._asked &= set(workers)
        if workers and not self._asked:
            self._all_said.set()

    def _said(self, address: str, reason: str | None) -> None:
        self._dispatcher.said(address, reason)
        self._asked.discard(address)
        if not self._asked:
            self._all_said.set()

    def _arrived(self, key: str) -> None:
        carrier = self._carriers.get(key)
        if carrier is None:
            return  # recalled meanwhile: whatever it says comes too late
        if carrier.status == "finished":
            self._dispatcher.landed(key)
            return
        del self._carriers[key]
        error = carrier.exception() if carrier.status == "error" else None
        self._dispatcher.failed(key, None if isinstance(error, distributed.KilledWorker) else error)

    def _scheduler_gone(self) -> None:
        self._gone = MatrixError("the cluster's scheduler is gone; the same command goes on where this one stopped")
        self._all_said.set()

    # Dask's thread

    def _hear(self, event: tuple[float, Any]) -> None:
        self._inbox.put(lambda: self._dispatcher.heard(event[1], time.monotonic()))

    # The lookout's thread

    def _look_out(self) -> None:
        failing_since_s: float | None = None
        while not self._ended.is_set():
            try:
                workers = dict(self._client.scheduler_info(n_workers=-1)["workers"])
            except Exception:  # noqa: BLE001 - whatever it is, we can't see the cluster
                failing_since_s = failing_since_s or time.monotonic()
                if time.monotonic() - failing_since_s > self._patience.silence_s or self._client.status == "closed":
                    self._inbox.put(self._scheduler_gone)
            else:
                failing_since_s = None
                self._inbox.put(partial(self._crew_is, workers))
            self._ended.wait(_LOOK_EVERY_S)

    # The helpers' threads: they may wait for a worker

    def _hear_out(self, address: str, asked: Any) -> None:
        answer: Survey | BaseException
        try:
            answer = read_reply(asked.result(timeout=_ANSWER_WITHIN_S))
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker is of no use
            answer = error
        self._inbox.put(partial(self._said, address, why_unfit(answer, self._version)))

    def _fetch(self, flight: Flight, carrier: Any) -> None:
        try:
            answer: Answer | None = read_reply(carrier.result(timeout=self._patience.silence_s))
            reason = f"{flight.worker} was told to end"
        except Exception as error:  # noqa: BLE001 - it died with the answer in its hands
            answer, reason = None, f"{flight.worker} lost the answer: {type(error).__name__}"
        carrier.release()
        if answer is None:
            self._inbox.put(partial(self._dispatcher.lost_on_the_way, flight, reason))
            return
        observation = _brought_home(flight.task, answer)
        if observation.outcome is Outcome.RAN:
            observation = replace(observation, beside=sum(flight.beside) / len(flight.beside))
        flight.future.set_result(observation)
        self._inbox.put(self._dispatcher.came_home)


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
