from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import hypothesis
import pytest
from hypothesis import strategies as st

from matrix.executors import Allotment, LocalExecutor, Needs, usable_cores
from matrix.results.observation import Observation, Outcome

DONE = Observation(Outcome.RAN)


@pytest.mark.parametrize(
    ("jobs", "threads", "cores", "slots"),
    [(None, 1, 4, 4), (None, 2, 4, 2), (None, 3, 4, 1), (2, 1, 4, 2), (8, 1, 4, 4), (None, 8, 4, 1), (1, 1, 1, 1)],
)
def test_as_many_trials_run_at_once_as_have_cores_of_their_own(
    jobs: int | None, threads: int, cores: int, slots: int
) -> None:
    with LocalExecutor(jobs, threads, range(cores)) as executor:
        assert executor.slots == slots


def test_trials_that_run_at_once_never_share_a_core() -> None:
    together = threading.Barrier(3)
    given: list[frozenset[int]] = []

    def task(given_to: Allotment) -> Observation:
        given.append(given_to.cores)
        together.wait(10)
        return DONE

    with LocalExecutor(None, 2, range(6)) as executor:
        for future in [executor.submit(task) for _ in range(6)]:
            future.result(10)
    for at in (0, 3):
        assert sorted(core for cores in given[at : at + 3] for core in cores) == [0, 1, 2, 3, 4, 5]


def test_a_trial_that_fails_gives_its_cores_back() -> None:
    def failing(_: Allotment) -> Observation:
        raise RuntimeError

    with LocalExecutor(None, 1, [7]) as executor:
        assert isinstance(executor.submit(failing).exception(10), RuntimeError)
        assert executor.submit(lambda given: Observation(Outcome.RAN, str(set(given.cores)))).result(10).reason == "{7}"


def test_leaving_takes_back_what_has_not_begun() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def waiting(_: Allotment) -> Observation:
        begun.set()
        go_on.wait(10)
        return DONE

    with LocalExecutor(1, 1, [0]) as executor:
        running, queued = executor.submit(waiting), executor.submit(waiting)
        begun.wait(10)
        assert queued.cancel()
        go_on.set()
    assert running.result(0).outcome is Outcome.RAN


def test_only_cores_that_this_process_may_use_are_given() -> None:
    with LocalExecutor(None, 1) as executor:
        assert executor.slots == len(usable_cores())


class Bench:
    """Tasks that run until they are let go, and what each was given."""

    def __init__(self) -> None:
        self.given: dict[str, Allotment] = {}
        self.order: list[str] = []
        self._changed = threading.Condition()
        self._free: set[str] = set()

    def task(self, name: str) -> Callable[[Allotment], Observation]:
        def run(given: Allotment) -> Observation:
            with self._changed:
                self.given[name] = given
                self.order.append(name)
                self._changed.notify_all()
                assert self._changed.wait_for(lambda: name in self._free, 10)
            return DONE

        return run

    def wait_for(self, *names: str) -> None:
        """Until these have begun."""
        with self._changed:
            assert self._changed.wait_for(lambda: set(names) <= set(self.order), 10), self.order

    def let_go(self, *names: str) -> None:
        with self._changed:
            self._free.update(names)
            self._changed.notify_all()


def test_a_gpu_has_one_trial_at_a_time_and_trials_without_one_go_past() -> None:
    bench = Bench()
    with LocalExecutor(None, 1, range(4), gpus=("5", "7")) as executor:
        for name, gpu in (("a", "cuda"), ("b", "cuda"), ("c", "cuda"), ("d", None)):
            executor.submit(bench.task(name), partial(Needs, gpu=gpu))
        bench.wait_for("a", "b", "d")
        assert bench.order == ["a", "b", "d"]
        assert {bench.given[name].gpu for name in "ab"} == {"5", "7"}
        assert bench.given["d"].gpu is None
        bench.let_go("a")
        bench.wait_for("c")
        assert bench.given["c"].gpu == bench.given["a"].gpu
        bench.let_go("b", "c", "d")


def test_a_gpu_that_is_named_is_waited_for_and_its_variable_left_alone() -> None:
    bench = Bench()
    with LocalExecutor(None, 1, range(3), gpus=("0", "1")) as executor:
        for name, gpu in (("a", "cuda:1"), ("b", "cuda:1"), ("c", "cuda")):
            executor.submit(bench.task(name), partial(Needs, gpu=gpu))
        bench.wait_for("a", "c")
        assert bench.order == ["a", "c"]
        assert bench.given["a"].gpu is None  # cuda:1 must stay the second of all
        assert bench.given["c"].gpu == "0"
        bench.let_go("a")
        bench.wait_for("b")
        bench.let_go("b", "c")


def test_no_more_trials_are_started_than_fit_into_memory() -> None:
    bench, free = Bench(), [10]
    with LocalExecutor(None, 1, range(4), free=lambda: free[0]) as executor:
        for name, memory in (("a", 6), ("b", 6), ("c", 4)):
            executor.submit(bench.task(name), partial(Needs, memory_bytes=memory))
        bench.wait_for("a", "c")  # b would be 12 of 10
        assert bench.order == ["a", "c"]
        bench.let_go("a")
        bench.wait_for("b")
        bench.let_go("b", "c")


def test_memory_that_others_have_taken_is_not_counted_on() -> None:
    bench, free = Bench(), [10]
    with LocalExecutor(None, 1, range(4), free=lambda: free[0]) as executor:
        executor.submit(bench.task("a"), lambda: Needs(memory_bytes=1))
        bench.wait_for("a")
        free[0] = 1
        executor.submit(bench.task("b"), lambda: Needs(memory_bytes=2))
        executor.submit(bench.task("c"), lambda: Needs(memory_bytes=1))
        bench.wait_for("c")
        assert bench.order == ["a", "c"]
        free[0] = 5  # nobody tells: it is asked for again
        bench.wait_for("b")
        bench.let_go("a", "b", "c")


def test_a_trial_that_never_fits_runs_once_nothing_else_does() -> None:
    bench = Bench()
    with LocalExecutor(None, 1, range(2), free=lambda: 10) as executor:
        executor.submit(bench.task("a"), lambda: Needs(memory_bytes=1))
        executor.submit(bench.task("b"), lambda: Needs(memory_bytes=99))
        bench.wait_for("a")
        assert bench.order == ["a"]
        bench.let_go("a")
        bench.wait_for("b")
        bench.let_go("b")


def test_a_trial_gets_as_many_cores_as_it_needs() -> None:
    bench = Bench()
    with LocalExecutor(None, 1, range(4)) as executor:
        for name, cores in (("a", 3), ("b", 2), ("c", 1)):
            executor.submit(bench.task(name), partial(Needs, cores=cores))
        bench.wait_for("a", "c")
        assert bench.order == ["a", "c"]
        bench.let_go("a")
        bench.wait_for("b")
        assert len(bench.given["b"].cores) == 2
        assert not bench.given["b"].cores & bench.given["c"].cores
        bench.let_go("b", "c")


@pytest.mark.parametrize(("timing", "jobs", "slots"), [("alone", 8, 1), ("shared", 8, 8), ("shared", None, 4)])
def test_trials_may_run_alone_or_share_all_cores(timing: str, jobs: int | None, slots: int) -> None:
    with LocalExecutor(jobs, 1, range(4), timing=timing) as executor:
        assert executor.slots == slots
        given = executor.submit(lambda given: Observation(Outcome.RAN, str(len(given.cores)))).result(10)
    assert given.reason == ("4" if timing == "shared" else "1")


def test_a_trial_is_told_how_many_ran_beside_it() -> None:
    bench = Bench()
    with LocalExecutor(None, 1, range(2)) as executor:
        alone = executor.submit(bench.task("a"))
        bench.wait_for("a")
        bench.let_go("a")
        assert alone.result(10).beside == pytest.approx(0, abs=0.01)
        both = [executor.submit(bench.task(name)) for name in "bc"]
        bench.wait_for("b", "c")
        time.sleep(0.2)
        bench.let_go("b", "c")
        assert all(0.5 < (future.result(10).beside or 0) <= 1 for future in both)


def test_what_was_cancelled_is_not_run() -> None:
    bench = Bench()
    with LocalExecutor(1, 1, [0]) as executor:
        executor.submit(bench.task("a"))
        bench.wait_for("a")
        waiting = [executor.submit(bench.task(name)) for name in "bcd"]
        assert waiting[0].cancel()
        assert waiting[1].cancel()
        bench.let_go("a", "d")
        waiting[2].result(10)
    assert bench.order == ["a", "d"]


NEEDS = st.builds(
    Needs,
    cores=st.sampled_from([None, 1, 2, 3, 9]),
    gpu=st.sampled_from([None, None, "cuda", "cuda:0", "cuda:1", "mps"]),
    memory_bytes=st.integers(0, 12),
)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(asked=st.lists(NEEDS, max_size=12))
def test_whatever_is_asked_for_nothing_is_given_twice_and_all_is_run(asked: list[Needs]) -> None:
    lock = threading.Lock()
    running: list[tuple[Needs, Allotment]] = []
    wrong: list[str] = []

    def check() -> None:
        cores = [core for _, given in running for core in given.cores]
        named = [needs.gpu for needs, _ in running if needs.gpu not in (None, "cuda")]
        any_of = [given.gpu for needs, given in running if needs.gpu == "cuda"]
        taken = [f"cuda:{gpu}" for gpu in any_of] + named
        memory = sum(needs.memory_bytes for needs, _ in running)
        if len(set(cores)) < len(cores) or len(set(taken)) < len(taken) or (len(running) > 1 and memory > 10):
            wrong.append(str(running))

    def task(needs: Needs, given: Allotment) -> Observation:
        with lock:
            running.append((needs, given))
            check()
        time.sleep(0.001)
        with lock:
            running.remove((needs, given))
        return DONE

    with LocalExecutor(None, 1, range(4), gpus=("0", "1"), free=lambda: 10) as executor:
        futures = [executor.submit(partial(task, needs), partial(replace, needs)) for needs in asked]
        assert [future.result(30).outcome for future in futures] == [Outcome.RAN] * len(asked)
    assert wrong == []
