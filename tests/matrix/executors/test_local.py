from __future__ import annotations

import threading

import pytest

from matrix.executors import Allotment, LocalExecutor, usable_cores
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
