"""Dispatching without a cluster: what happens, and when, is told."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.environments.cache import Lock
from matrix.executors.crew import Crew
from matrix.executors.dispatch import OVER, RUNNING, Dispatcher, Flight, Patience
from matrix.plan.cells import Cell, Trial, VersionSet
from matrix.results.observation import Observation, Outcome
from matrix.running.trial import Order, TrialTask
from probes.watch import InterruptedRunError, watch

RAN = Observation(Outcome.RAN)
PATIENCE = Patience(attempts=3, silence_s=10, overdue_s=20, recall_s=5, nobody_s=60, gap_s=1000)
A, B, C = "tcp://a:1", "tcp://b:1", "tcp://c:1"


class World:
    """A line that goes nowhere, a clock that is set by hand, and trials that are asked to stop by hand."""

    def __init__(self, jobs: int | None = None, patience: Patience = PATIENCE) -> None:
        self.now_s = 0.0
        self.sent: dict[str, tuple[str, Order]] = {}
        """Key to worker and order, of what is under way."""
        self.recalled: list[str] = []
        self.restarted: list[str] = []
        self.notes: list[str] = []
        self.started: list[str] = []
        self.lines: list[str] = []
        self.level = 0
        self.workers: dict[str, dict[str, Any]] = {}
        self.dispatcher = Dispatcher(self, jobs, patience, self.notes.append)

    # Line

    def send(self, key: str, order: Order, address: str) -> None:
        self.sent[key] = (address, order)

    def recall(self, key: str) -> None:
        del self.sent[key]
        self.recalled.append(key)

    def fetch(self, key: str, flight: Flight) -> None:
        del self.sent[key]
        flight.future.set_result(RAN)
        self.dispatcher.came_home()

    def restart(self, address: str) -> None:
        self.restarted.append(address)

    # What a test does

    def have(self, *addresses: str, threads: int = 1, gpus: int = 0) -> None:
        """These are the workers now, and all of them are alive."""
        known = {"nthreads": threads, "resources": {"GPU": gpus} if gpus else {}, "host": "h"}
        self.workers = {address: {**known, "last_seen": self.now_s} for address in addresses}
        for address in self.dispatcher.crew_is(self.workers, self.now_s):
            self.dispatcher.said(address, None)

    def later(self, seconds: float = 0.1, *, silent: tuple[str, ...] = (), closing: bool = False) -> None:
        """Time passes; workers that are not ``silent`` go on to live."""
        self.now_s += seconds
        for address, worker in self.workers.items():
            if address not in silent:
                worker["last_seen"] = self.now_s
        self.dispatcher.crew_is(self.workers, self.now_s)
        self.dispatcher.tick(self.now_s, closing=closing)

    def submit(self, number: int, device: str = "cpu", threads: int = 1) -> Future[Observation]:
        cell = Cell({"n": number, "device": device}, VersionSet("v", ("tiny",), "3.11"), (), f"n={number}")
        task = TrialTask(
            Trial(cell, 0, 0, 100.0, threads),
            Lock("3.11", "tiny==1.0"),
            Path(sys.prefix),
            Path("sweep"),
            frozenset(),
            watch,
            on_start=lambda trial: self.started.append(trial.cell.label),
            on_status=lambda _, status: self.lines.append(status.line),
            may_start=lambda: self.level < 1,
            should_stop=lambda: self.level >= 2,
        )
        flight = Flight(task)
        self.dispatcher.submit(flight)
        return flight.future

    def under_way(self, address: str | None = None) -> list[str]:
        return [key for key, (worker, _) in self.sent.items() if address in (None, worker)]

    def tell(self, key: str, stage: str, line: str = "", **more: Any) -> None:
        self.dispatcher.heard({"key": key, "stage": stage, "line": line, "elapsed_s": 1.0, **more}, self.now_s)


@pytest.fixture
def world() -> World:
    return World()


def labels(world: World) -> list[str]:
    return [order.trial.cell.label for _, order in world.sent.values()]


def test_each_worker_gets_as_many_trials_as_it_has_threads_in_order(world: World) -> None:
    world.have(A, B, threads=2)
    futures = [world.submit(number) for number in range(6)]
    world.later()
    assert labels(world) == ["n=0", "n=1", "n=2", "n=3"]
    assert {len(world.under_way(address)) for address in (A, B)} == {2}
    world.dispatcher.landed(world.under_way(A)[0])
    world.later()
    assert "n=4" in labels(world)
    assert futures[0].result(0) == RAN
    assert world.dispatcher.waiting == 1


def test_a_trial_of_many_threads_takes_as_many(world: World) -> None:
    world.have(A, threads=4)
    for number in range(3):
        world.submit(number, threads=2)
    world.submit(9, threads=8)
    world.later()
    assert labels(world) == ["n=0", "n=1"]
    for key in world.under_way():
        world.dispatcher.landed(key)
    world.later()
    assert labels(world) == ["n=2"]  # the one of 8 gets all 4, once nothing else runs
    world.dispatcher.landed(world.under_way()[0])
    world.later()
    assert labels(world) == ["n=9"]


def test_jobs_limit_what_runs_at_once() -> None:
    world = World(jobs=2)
    world.have(A, threads=8)
    for number in range(4):
        world.submit(number)
    world.later()
    assert len(world.sent) == 2


def test_gpu_trials_go_to_workers_with_a_gpu_one_each(world: World) -> None:
    world.have(A, threads=4)
    futures = [world.submit(number, device="cuda") for number in range(2)]
    world.later()
    assert [future.result(0).outcome for future in futures] == [Outcome.SKIPPED] * 2
    world.have(A, B, threads=4, gpus=1)
    for number in range(3):
        world.submit(number, device="cuda:0")
    world.submit(7)
    world.later()
    assert labels(world) == ["n=0", "n=1", "n=7"]  # and nothing waits behind the third for a GPU
    assert world.sent[world.under_way()[0]][0] != world.sent[world.under_way()[1]][0]


def test_without_any_fit_worker_gpu_trials_wait_for_one(world: World) -> None:
    future = world.submit(0, device="cuda")
    world.later()
    assert not future.done()


def test_a_lost_workers_trial_is_run_by_another_and_given_up_after_three(world: World) -> None:
    world.have(A, B)
    future = world.submit(0)
    world.later()
    for _ in range(2):
        address, _ = next(iter(world.sent.values()))
        world.have(*{A, B, C} - {address})
        assert not future.done()
        world.later()
        assert world.sent[world.under_way()[0]][0] != address
    world.have()
    world.later()
    given_up = future.result(0)
    assert given_up.outcome is Outcome.FAILED_TO_START
    assert given_up.reason is not None
    assert given_up.reason.count("was lost") == 3


def test_an_answer_that_comes_too_late_is_no_answer(world: World) -> None:
    world.have(A, B)
    future = world.submit(0)
    world.later()
    (old,) = world.under_way()
    world.have(*{A, B} - {world.sent[old][0]})
    world.later()
    world.dispatcher.landed(old)
    world.dispatcher.failed(old, RuntimeError("late"))
    world.tell(old, RUNNING, "late")
    assert not future.done()
    assert not world.started
    world.dispatcher.landed(world.under_way()[0])
    assert future.result(0) == RAN


def test_a_worker_that_says_nothing_is_not_waited_for(world: World) -> None:
    world.have(A, B)
    futures = [world.submit(number) for number in range(2)]
    world.later()
    for _ in range(11):
        world.later(1.0, silent=(A,))
    assert world.restarted == [A]
    assert any("does not answer" in note for note in world.notes)
    assert world.under_way(A) == []
    world.dispatcher.landed(world.under_way(B)[0])
    world.later(1.0, silent=(A,))
    world.dispatcher.landed(world.under_way(B)[0])
    assert [future.result(0) for future in futures] == [RAN] * 2


def test_silence_that_we_did_not_listen_to_says_nothing() -> None:
    world = World(patience=replace(PATIENCE, gap_s=4))
    world.have(A)
    world.submit(0)
    world.later()
    world.later(1000, silent=(A,))  # the laptop slept
    assert world.restarted == []
    for _ in range(11):
        world.later(1.0, silent=(A,))
    assert world.restarted == [A]


def test_signs_of_life_of_a_trial_count_for_its_worker(world: World) -> None:
    world.have(A)
    world.submit(0)
    world.later()
    for _ in range(30):
        world.later(1.0, silent=(A,))
        world.tell(world.under_way()[0], "environment")
    assert world.restarted == []


def test_a_trial_whose_time_is_long_up_is_given_to_another(world: World) -> None:
    world.have(A, B)
    world.submit(0)
    world.later()
    (key,) = world.under_way()
    address = world.sent[key][0]
    world.later(1000)  # building its environment takes what it takes
    assert world.restarted == []
    world.tell(key, RUNNING)
    world.later(119)
    assert world.restarted == []
    world.later(2)
    assert world.restarted == [address]
    world.later()
    assert world.sent[world.under_way()[0]][0] != address


def test_what_runs_is_told_once_and_then_how_it_gets_on(world: World) -> None:
    world.have(A)
    world.submit(0)
    world.later()
    (key,) = world.under_way()
    world.tell(key, "environment", "its environment is provided")
    assert world.started == []
    world.tell(key, RUNNING)
    world.tell(key, RUNNING, "step 3", step=3, phase="train", suspicious=True, rss_bytes=5)
    assert world.started == ["n=0"]
    assert world.lines == ["step 3"]


def test_asked_once_to_stop_only_what_runs_goes_on(world: World) -> None:
    world.have(A, B)
    running, building, waiting = (world.submit(number) for number in range(3))
    world.later()
    first, second = world.under_way()
    world.tell(first, RUNNING)
    world.level = 1
    world.later()
    assert world.recalled == [second]
    assert not running.done()
    assert not building.done()
    world.tell(second, OVER)
    assert isinstance(building.exception(0), InterruptedRunError)
    assert waiting.cancel()
    world.dispatcher.landed(first)
    assert running.result(0) == RAN
    world.later(closing=True)
    assert world.dispatcher.idle


def test_asked_twice_everything_is_recalled_and_not_waited_for_long(world: World) -> None:
    world.have(A)
    future = world.submit(0)
    world.later()
    world.tell(world.under_way()[0], RUNNING)
    world.level = 2
    world.later()
    assert not future.done()
    world.later(6)
    assert isinstance(future.exception(0), InterruptedRunError)


def test_a_trial_that_waits_for_its_next_attempt_can_be_stopped(world: World) -> None:
    world.have(A)
    future = world.submit(0)
    world.later()
    world.have()
    world.level = 1
    world.later()
    assert isinstance(future.exception(0), InterruptedRunError)


def test_a_program_error_of_ours_on_the_worker_is_an_outcome(world: World) -> None:
    world.have(A)
    future = world.submit(0)
    world.later()
    world.dispatcher.failed(world.under_way()[0], ValueError("broken"))
    assert future.result(0).reason == f"ValueError on {A}: broken"
    assert future.result(0).outcome is Outcome.FAILED_TO_START


def test_when_nobody_is_left_what_waits_is_given_up_in_the_end(world: World) -> None:
    world.have(A)
    world.have()
    future = world.submit(0)
    world.later()
    world.later(59)
    assert not future.done()
    world.later(2)
    assert future.result(0).reason == "no worker of the cluster for 60 s"


def test_an_unfit_worker_gets_nothing_and_the_reason_is_told(world: World) -> None:
    world.workers = {A: {"nthreads": 1, "host": "h", "last_seen": 0.0}}
    world.dispatcher.crew_is(world.workers, 0.0)
    world.dispatcher.said(A, "has FreezeLab 9.9")
    world.submit(0)
    world.later()
    assert world.sent == {}
    assert world.notes[0] == f"not used: worker {A} has FreezeLab 9.9"


def test_leaving_cancels_what_waits(world: World) -> None:
    future = world.submit(0)
    world.dispatcher.give_up(None)
    assert future.cancelled()


def test_when_the_scheduler_is_gone_everybody_is_told(world: World) -> None:
    world.have(A)
    futures = [world.submit(number) for number in range(3)]
    world.later()
    error = RuntimeError("gone")
    world.dispatcher.give_up(error)
    assert [future.exception(0) for future in futures] == [error] * 3
    assert world.dispatcher.idle


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.booleans())
def test_whatever_happens_every_trial_ends_once(seed: int, trials: int, interrupted: bool) -> None:
    chance = random.Random(seed)  # noqa: S311
    world = World()
    futures = [world.submit(n, chance.choice(["cpu", "cpu", "cuda"]), chance.choice([1, 2])) for n in range(trials)]

    def tell() -> None:
        for key in world.under_way():
            world.tell(key, chance.choice(["environment", RUNNING, OVER]))

    def answer(keys: list[str]) -> None:
        for key in keys:
            world.dispatcher.landed(key)

    def fail() -> None:
        for key in world.under_way()[-1:]:
            del world.sent[key]
            world.dispatcher.failed(key, None)

    happenings: list[Callable[[], None]] = [
        lambda: world.have(*chance.sample([A, B, C], chance.randint(0, 3)), threads=2, gpus=chance.choice([0, 1])),
        lambda: world.later(chance.choice([0.1, 3, 130]), silent=tuple(chance.sample([A, B, C], 1))),
        lambda: answer(world.under_way()[:1]),
        lambda: answer(world.recalled[-1:]),
        tell,
        fail,
    ]
    for _ in range(chance.randint(0, 60)):
        chance.choice(happenings)()
        busy = {
            a: sum(t.trial.threads for w, t in world.sent.values() if w == a) for a in world.dispatcher.crew.members
        }
        assert all(count <= 2 for count in busy.values())
    world.level = chance.choice([1, 2]) if interrupted else 0
    for _ in range(200):
        world.have(A, B, C, threads=2, gpus=1)
        world.later(1.0)
        for key in world.under_way():
            world.dispatcher.landed(key)
        if world.level:
            for future in futures:
                future.cancel()
    assert all(future.done() for future in futures)
    assert world.dispatcher.idle
    crew: Crew = world.dispatcher.crew
    assert {(m.trials, m.busy_threads, m.busy_gpus) for m in crew.members.values()} == {(0, 0, 0)}
