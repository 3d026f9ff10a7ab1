"""The readings of a run: what is written, how much of it, and what is concluded only if it was read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from probes.evidence.system import memory, threads_and_cores, throttling
from probes.judge import WEIGHTS, judge
from probes.observer import Look, Observations
from probes.progress import Progress
from probes.system import cgroup, procfs, readings
from probes.system.procfs import ProcessReading, ThreadReading
from probes.system.readings import Readings, Sample
from probes.watch import WatchOptions, watch

if TYPE_CHECKING:
    from tests.probes.conftest import Start, Write

S = 1_000_000_000


def thread(tid: int, state: str = "S", **changes: Any) -> ThreadReading:
    values: dict[str, Any] = {"cpu_s": 1.0, "wchan": "futex_do_wait", "voluntary_switches": 5,
                              "involuntary_switches": 7, "name": "python"}  # fmt: skip
    return ThreadReading(tid, state, **{**values, **changes})


def process(threads: list[ThreadReading], pid: int = 7) -> ProcessReading:
    return ProcessReading(pid, 1, pid, "S", 3.0, 50_000_000, tuple(threads), 100, None, "python", 10, 2)


@pytest.fixture
def taken(tmp_path: Path) -> Readings:
    failures: list[str] = []
    return Readings(tmp_path / "readings.jsonl", os.getpid(), 0, failures.append)


def rows(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "readings.jsonl").read_text().splitlines()]


def test_a_row_tells_of_the_processes_and_of_the_threads_that_changed(taken: Readings, tmp_path: Path) -> None:
    taken.add(1 * S, [process([thread(7), thread(8)])], None, closely=True)
    taken.add(2 * S, [process([thread(7), thread(8)])], None, closely=False)
    taken.add(3 * S, [process([thread(7), thread(8, state="R", cpu_s=2.0)])], None, closely=True)
    taken.close()
    first, second, third = rows(tmp_path)
    assert first["at_s"] == 1.0
    assert first["processes"][0]["main_switches"] == [5, 7]
    assert first["processes"][0]["faults"] == [10, 2]
    assert [row[:4] for row in first["threads"]] == [[7, 7, "python", "S"], [7, 8, "python", "S"]]
    assert "threads" not in second
    assert [row[1:5] for row in third["threads"]] == [[8, "python", "R", 2.0]]
    assert third["runnable"] == 1


def test_threads_are_asked_for_every_ten_seconds_and_whenever_something_is_unusual(taken: Readings) -> None:
    assert taken.wants_threads(0, unusual=False)
    taken.add(0, [], None, closely=True)
    assert not taken.wants_threads(5 * S, unusual=False)
    assert taken.wants_threads(5 * S, unusual=True)
    assert taken.wants_threads(10 * S, unusual=False)
    taken.close()


def test_160_busy_threads_in_trouble_do_not_fill_the_disk(taken: Readings, tmp_path: Path) -> None:
    """Ten minutes here: a burst of 4 MB, then 8 KB a second, which is 34 MB in an hour."""
    for number in range(1200):
        now = number * S // 2
        closely = taken.wants_threads(now, unusual=True)
        threads = [thread(tid, state="R", cpu_s=number + tid) for tid in range(7, 167)]
        taken.add(now, [process(threads)], None, closely=closely)
    taken.close()
    assert (tmp_path / "readings.jsonl").stat().st_size < 11_000_000
    assert len(rows(tmp_path)) > 300


def test_cores_taken_away_are_counted_between_close_readings_only(taken: Readings) -> None:
    first = taken.add(0, [process([thread(7), thread(8)])], None, closely=True)
    far = taken.add(1 * S, [process([thread(7, involuntary_switches=None)])], None, closely=False)
    grown = [thread(7, involuntary_switches=107), thread(8, involuntary_switches=57), thread(9)]
    second = taken.add(2 * S, [process(grown)], None, closely=True)
    taken.close()
    assert (first.involuntary_per_s, far.involuntary_per_s) == (None, None)
    assert second.involuntary_per_s == 75.0


def test_out_of_memory_kills_are_those_since_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    count: list[int | None] = [3]
    monkeypatch.setattr(cgroup.Groups, "oom_kills", lambda _: count[0])
    taken = Readings(tmp_path / "readings.jsonl", os.getpid(), 0, lambda _: None)
    assert taken.out_of_memory_kills() == 0
    count[0] = 5
    assert taken.out_of_memory_kills() == 2
    # The group is gone with its last process: what was read before holds.
    count[0] = None
    monkeypatch.setattr(cgroup, "machine_out_of_memory_kills", lambda: None)
    assert taken.out_of_memory_kills() == 2
    taken.close()


def test_a_full_disk_is_told_once_and_ends_nothing(tmp_path: Path) -> None:
    failures: list[str] = []
    taken = Readings(Path("/dev/full"), os.getpid(), 0, failures.append)
    for number in range(3):
        taken.add(number * S, [process([thread(7)])], None, closely=True)
    taken.close()
    assert set(failures) == {"readings could not be written: No space left on device"}


def test_this_machine_gives_a_sample(taken: Readings) -> None:
    reading = procfs.read_process(os.getpid())
    assert reading is not None
    sample = taken.add(S, [reading], None, closely=True)
    taken.close()
    assert sample.cores == len(os.sched_getaffinity(0))
    assert sample.rss_bytes > 1_000_000
    assert sample.available_bytes is None or sample.total_bytes is None or sample.available_bytes < sample.total_bytes


def test_a_run_keeps_readings_of_each_process_and_thread(write: Write, tmp_path: Path) -> None:
    script = write("""
        import threading, time
        stop = threading.Event()
        for _ in range(3):
            threading.Thread(target=stop.wait).start()
        time.sleep(1.2)
        stop.set()
    """)
    watch([sys.executable, str(script)], WatchOptions(out=tmp_path / "run", stacks=False))
    written = [json.loads(line) for line in (tmp_path / "run/readings.jsonl").read_text().splitlines()]
    assert len(written) >= 2
    last = written[-1]["processes"][0]
    assert last["threads"] >= 1
    assert last["cpu_s"] > 0
    assert last["faults"][0] > 0
    assert any(row.get("threads") for row in written)


# What is concluded.


def sample(at_s: float, **changes: Any) -> Sample:
    groups = changes.pop("groups", {})
    values: dict[str, Any] = {"gpus": None, "cores": 2, "runnable": 1, "involuntary_per_s": None,
                              "rss_bytes": 2_000_000_000, "available_bytes": 8_000_000_000,
                              "total_bytes": 16_000_000_000}  # fmt: skip
    return Sample(int(at_s * S), cgroup.Reading(**groups), **{**values, **changes})


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    return Progress(tmp_path)


def observations(*samples: Sample, looks: tuple[Look, ...] = ()) -> Observations:
    return Observations(0, looks=list(looks), samples=deque(samples))


def throttled(number: int, *, periods: int | None = None, quota: float | None = 1.5) -> dict[str, Any]:
    return {
        "cpu_quota_cores": quota,
        "periods": 10 * number if periods is None else periods,
        "throttled_periods": 8 * number,
        "throttled_s": 0.5 * number,
    }


def test_a_used_up_quota_is_told_with_its_figures(progress: Progress) -> None:
    seen = observations(*(sample(n, groups=throttled(n)) for n in range(6)))
    (item,) = throttling(seen, progress)
    assert item.kind == "cpu-throttled"
    assert "quota of 1.5 cores was used up in 40 of 50 periods" in item.says
    assert "held back for 2.5 s" in item.says
    assert item.detail["throttled"] == 40


@pytest.mark.parametrize(
    "groups",
    [
        lambda n: {},
        lambda n: {**throttled(n), "periods": None},
        lambda n: {**throttled(n), "throttled_periods": None},
        lambda n: throttled(n, periods=1000 * n),  # hardly ever
        lambda n: throttled(5 - n),  # the group was made anew
        lambda n: throttled(0),  # nothing ran
    ],
)
def test_nothing_is_said_of_a_quota_that_did_not_hold_or_could_not_be_read(
    groups: Callable[[int], dict[str, Any]], progress: Progress
) -> None:
    seen = observations(*(sample(n, groups=groups(n)) for n in range(6)))
    assert list(throttling(seen, progress)) == []


def test_only_the_silence_counts_when_there_is_one(progress: Progress) -> None:
    look = Look(10 * S, 4.0, None, (), {}, {})
    before = [sample(n, groups=throttled(0)) for n in range(6)]
    during = [sample(6 + n, groups=throttled(n)) for n in range(5)]
    (item,) = throttling(observations(*before, *during, looks=(look,)), progress)
    assert item.at_s == 6.0
    assert "during the silence" in item.says
    assert "32 of 40 periods" in item.says


def test_more_threads_than_cores_are_told_only_if_they_lose_cores_to_each_other(progress: Progress) -> None:
    crowded = [sample(n, runnable=9, involuntary_per_s=500.0) for n in range(4)]
    (item,) = threads_and_cores(observations(*crowded), progress)
    assert item.kind == "threads-exceed-cores"
    assert "9.0 threads on average wanted to run on 2 cores" in item.says
    quiet = [sample(n, runnable=9, involuntary_per_s=1.0) for n in range(4)]
    assert list(threads_and_cores(observations(*quiet), progress)) == []
    unread = [sample(n, runnable=9) for n in range(4)]
    assert list(threads_and_cores(observations(*unread), progress)) == []
    unknown = [sample(n, runnable=9, involuntary_per_s=500.0, cores=None) for n in range(4)]
    assert list(threads_and_cores(observations(*unknown), progress)) == []
    roomy = [sample(n, runnable=2, involuntary_per_s=500.0) for n in range(4)]
    assert list(threads_and_cores(observations(*roomy), progress)) == []


def test_a_quota_below_the_cores_is_what_threads_are_held_against(progress: Progress) -> None:
    samples = [
        sample(n, runnable=3, cores=64, involuntary_per_s=500.0, groups={"cpu_quota_cores": 1.0}) for n in range(4)
    ]
    (item,) = threads_and_cores(observations(*samples), progress)
    assert item.detail["cores"] == 1.0


def test_memory_near_its_limit_is_told_of_the_group_or_of_the_machine() -> None:
    full = {"memory_limit_bytes": 10**9, "memory_used_bytes": 95 * 10**7}
    seen = observations(
        sample(0, groups={**full, "memory_used_bytes": 10, "memory_limit_hits": 1}),
        sample(1, groups={**full, "memory_limit_hits": 4}),
    )
    (item,) = memory(seen)
    assert "0.95 of the 1.00 GB" in item.says
    assert "reached 3 times" in item.says
    (machine,) = memory(observations(sample(0, available_bytes=10**9)))
    assert "the machine's memory was used to 94%" in machine.says
    assert list(memory(observations(sample(0), sample(1, available_bytes=None, total_bytes=None)))) == []
    assert list(memory(observations(sample(0, groups={"memory_limit_bytes": 10**9})))) == []
    assert list(memory(observations())) == []


def test_what_the_machine_was_like_changes_no_verdict(progress: Progress) -> None:
    seen = observations(*(sample(n, groups=throttled(n), runnable=9, involuntary_per_s=900.0) for n in range(5)))
    found = [*throttling(seen, progress), *threads_and_cores(seen, progress)]
    assert len(found) == 2
    assert all(WEIGHTS[item.kind] == {} for item in found)
    assert judge(found).alternatives == judge([]).alternatives


def test_a_busy_pair_of_threads_on_one_core_is_seen_on_a_real_process(
    start: Start, write: Write, tmp_path: Path, progress: Progress, wait_until: Callable[..., Any]
) -> None:
    core = min(os.sched_getaffinity(0))
    script = write(f"""
        import os, time
        os.sched_setaffinity(0, {{{core}}})
        for _ in range(3):
            if os.fork() == 0:
                break
        print("ready", flush=True)
        until = time.time() + 20
        while time.time() < until and os.getppid() != 1:
            pass
    """)
    child = start([sys.executable, script], stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    child.stdout.readline()
    taken = Readings(tmp_path / "readings.jsonl", child.pid, 0, lambda _: None)
    samples = []
    for number in range(4):
        wait_until(lambda seen=number: _busy_s(child.pid) > 0.3 * seen, 30)
        family = [item for pid in procfs.family(child.pid) if (item := procfs.read_process(pid)) is not None]
        samples.append(taken.add((number + 1) * S, family, None, closely=True))
    taken.close()
    os.killpg(child.pid, 9)
    assert samples[-1].cores == 1
    assert max(item.runnable for item in samples) >= 3
    rates = [item.involuntary_per_s for item in samples if item.involuntary_per_s is not None]
    assert len(rates) == 3
    assert max(rates) > 1


def _busy_s(pid: int) -> float:
    return sum(
        reading.cpu_s
        for member in procfs.family(pid)
        if (reading := procfs.read_process(member, closely=False)) is not None
    )


def test_the_kept_samples_are_an_hour_at_most() -> None:
    assert Observations(0).samples.maxlen == readings.KEPT_SAMPLES == 3600 * 2
