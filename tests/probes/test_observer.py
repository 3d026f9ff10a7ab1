"""Which looks at a silent family are judged: those of which it is sure that they are of one moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from probes import observer as module
from probes.observer import Observer
from probes.progress import Progress
from probes.stacks import Dump, Frame, ThreadStack
from probes.system import procfs
from probes.waits import Kind, Wait, WaitGraph

S = 1_000_000_000
MAIN, WORKER = 10, 20


def graph(word: str) -> WaitGraph:
    """``sleeps``: the worker that the main process waits for sleeps; ``asks``: it waits for the main process."""
    answer = Wait(MAIN, MAIN, Kind.INPUT, "read", "a socket", peers=(WORKER,))
    deeds = {
        "sleeps": {WORKER: Wait(WORKER, WORKER, Kind.SLEEP, "clock_nanosleep", "")},
        "asks": {WORKER: Wait(WORKER, WORKER, Kind.INPUT, "read", "a socket", peers=(MAIN,))},
        "runs": {},
    }
    waits = {(MAIN, MAIN): answer} | {(pid, pid): wait for pid, wait in deeds[word].items()}
    return WaitGraph(waits, {MAIN: "S", WORKER: "S"}, {MAIN: 1, WORKER: MAIN})


class Silent(Progress):
    """Of a run in which nothing has happened since ``moved_ns``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.moved_ns = 0
        self.moves_at_ns: int | None = None
        """From when on a poll finds that it has moved."""

    def poll(self, now_ns: int) -> None:
        if self.moves_at_ns is not None and now_ns >= self.moves_at_ns:
            self.moved_ns, self.moves_at_ns = now_ns, None

    def silence_s(self, now_ns: int) -> float:
        return max(now_ns - self.moved_ns, 0) / S

    def is_silent(self, now_ns: int) -> bool:
        return self.silence_s(now_ns) > 2


class Family:
    """A training with one worker, and what each look at it shows."""

    pid = MAIN
    started_ns = 0

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, foreign: bool = False) -> None:
        self.now_ns = 100 * S
        self.shows = "sleeps"
        self.used_s = 0.0
        self.progress = Silent(folder)
        monkeypatch.setattr(time, "monotonic_ns", self.clock)
        monkeypatch.setattr(module, "dump", self.dump)
        monkeypatch.setattr(module, "read_waits", lambda processes, dumps: graph(self.shows))
        self.observer = Observer(self, self.progress, folder, stacks=True, foreign=foreign)

    def clock(self) -> int:
        return self.now_ns

    def family(self, *, closely: bool = True) -> list[procfs.ProcessReading]:
        self.used_s += 1.0  # who uses no processor at all is silent, too
        threads = {pid: (procfs.ThreadReading(pid, "S", 0.0, None),) for pid in (MAIN, WORKER)}
        return [
            procfs.ProcessReading(pid, 1, pid, "S", self.used_s, 0, threads[pid], 1, None, "python")
            for pid in (MAIN, WORKER)
        ]

    def dump(self, pid: int, at_ns: int, **_: object) -> Dump:
        self.now_ns += S // 10  # what it costs to take
        return Dump(pid, at_ns, False, (ThreadStack(pid, "MainThread", False, False, (Frame("f", "/a.py", 1),)),))

    def look(self, shows: str) -> None:
        self.shows = shows
        self.now_ns += 20 * S
        self.observer.tick()

    @property
    def judged(self) -> list[str]:
        known = {graph(word).chain(MAIN).key: word for word in ("sleeps", "asks")}
        return [known[look.waits.chain(MAIN).key] for look in self.observer.seen.looks]


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Family]:
    made = Family(tmp_path, monkeypatch)
    yield made
    made.observer.close()


def test_a_look_during_which_the_run_moved_is_none(family: Family) -> None:
    for _ in range(3):
        family.look("sleeps")
    family.progress.moves_at_ns = family.now_ns + 20 * S + S // 20  # while stacks are taken
    family.look("sleeps")
    assert family.judged == ["sleeps"] * 3
    family.now_ns += S
    family.observer.tick()
    assert family.judged == []
    assert len(family.observer.seen.past_looks) == 3


@pytest.mark.parametrize(
    ("shown", "judged"),
    [
        ("sleeps", "sleeps"),
        ("sleeps sleeps sleeps asks", "sleeps sleeps sleeps"),
        ("sleeps sleeps sleeps asks asks", "sleeps sleeps sleeps asks asks"),
        ("sleeps sleeps asks sleeps", "sleeps sleeps"),
        ("sleeps sleeps asks sleeps sleeps", "sleeps sleeps asks sleeps sleeps"),
        ("sleeps asks sleeps asks", "sleeps asks sleeps asks"),
        # A worker is met at work at one look and waiting at the next: the same chain of waits.
        ("sleeps runs sleeps", "sleeps sleeps sleeps"),
    ],
)
def test_a_look_unlike_the_one_before_waits_for_the_next(shown: str, judged: str, family: Family) -> None:
    for word in shown.split():
        family.look(word)
    assert family.judged == judged.split()


def test_what_was_held_back_is_forgotten_when_the_run_moves(family: Family) -> None:
    for word in ("sleeps", "sleeps", "asks"):
        family.look(word)
    family.progress.moved_ns = family.now_ns
    family.now_ns += S
    family.observer.tick()
    family.look("asks")
    assert family.judged == ["asks"]


def test_of_a_foreign_family_every_look_counts_that_is_like_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Family(tmp_path, monkeypatch, foreign=True)
    for word in ("sleeps", "sleeps", "asks"):
        made.progress.moves_at_ns = made.now_ns  # events come all the time
        made.look(word)
    assert made.judged == ["sleeps", "sleeps"]
    made.observer.close()
