"""What the system says of a run, twice a second: written to ``readings.jsonl``, and sampled for the evidence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probes.flight import State
from probes.system import cgroup, gpu, procfs
from probes.system.procfs import ProcessReading, ThreadReading

_THREADS_EVERY_S = 10.0
KEPT_SAMPLES = 7200
"""An hour at two a second."""
_BURST_BYTES = 4 << 20
_BYTES_PER_S = 8 << 10
"""The file may grow by this in the long run: 29 MB an hour."""
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class Sample:
    """One moment of the whole process family. None is what could not be read."""

    at_ns: int
    groups: cgroup.Reading
    gpus: tuple[gpu.GpuReading, ...] | None
    cores: int | None
    """That the command's process may run on."""
    runnable: int
    """Threads of the family that ran or waited for a core."""
    involuntary_per_s: float | None
    """How often a core was taken from one of its threads, since the last close reading."""
    rss_bytes: int
    available_bytes: int | None
    """Memory that the machine could still give."""
    total_bytes: int | None


class Readings:
    """
    Takes and keeps the readings of one run.

    :param path: the file to write; an earlier one is overwritten.
    :param pid: the command's process.
    :param fail: told, once for each reason, why something could not be kept.
    """

    def __init__(self, path: Path, pid: int, started_ns: int, fail: Callable[[str], None]) -> None:
        self._pid = pid
        self._started_ns = started_ns
        self._fail = fail
        self._file = path.open("w", encoding="utf-8")
        self._written_bytes = 0
        self._groups = cgroup.Groups(pid)
        self._gpu = gpu.GpuWatch(gpu.load())
        self._kills_before = self._kills()
        self._killed: int | None = None
        self._close_ns: int | None = None
        self._threads: dict[tuple[int, int], ThreadReading] = {}
        self._switches: dict[tuple[int, int], int] = {}

    def close(self) -> None:
        """No more readings."""
        self._gpu.close()
        with suppress(OSError):
            self._file.close()

    def out_of_memory_kills(self) -> int | None:
        """How many processes the kernel has killed for want of memory since the start; None if it can't be read."""
        now = self._kills()
        if now is not None and self._kills_before is not None:
            self._killed = now - self._kills_before
        # A group that ends with its last process takes its count along; what was last read still holds.
        return self._killed

    def _kills(self) -> int | None:
        counted = self._groups.oom_kills()
        return counted if counted is not None else cgroup.machine_out_of_memory_kills()

    def wants_threads(self, now_ns: int, *, unusual: bool) -> bool:
        """Whether the next reading should be a close one: something is out of the ordinary, or it is time."""
        due = self._close_ns is None or now_ns - self._close_ns >= _THREADS_EVERY_S * 1e9
        return due or (unusual and self._written_bytes < self._allowed_bytes(now_ns))

    def add(self, now_ns: int, processes: Sequence[ProcessReading], state: State | None, *, closely: bool) -> Sample:
        """
        Takes what else there is to be read, and writes it all down.

        :param closely: whether ``processes`` were read closely.
        """
        available, total = machine_memory()
        sample = Sample(
            at_ns=now_ns,
            groups=self._groups.read(),
            gpus=self._gpu.latest(),
            cores=_cores(self._pid),
            runnable=sum(thread.state == "R" for process in processes for thread in process.threads),
            involuntary_per_s=self._involuntary_per_s(now_ns, processes) if closely else None,
            rss_bytes=sum(process.rss_bytes for process in processes),
            available_bytes=available,
            total_bytes=total,
        )
        threads = self._moved(processes) if closely else None
        if closely:
            self._close_ns = now_ns
        # A family of a hundred processes would fill the disk; what is left out is in the samples all the same.
        if closely or self._written_bytes < self._allowed_bytes(now_ns):
            self._write(self._row(sample, processes, state, threads))
        return sample

    def _allowed_bytes(self, now_ns: int) -> float:
        return _BURST_BYTES + _BYTES_PER_S * (now_ns - self._started_ns) / 1e9

    def _involuntary_per_s(self, now_ns: int, processes: Sequence[ProcessReading]) -> float | None:
        now = {
            (process.pid, thread.tid): thread.involuntary_switches
            for process in processes
            for thread in process.threads
            if thread.involuntary_switches is not None
        }
        before, self._switches = self._switches, now
        if self._close_ns is None or now_ns <= self._close_ns or not before:
            return None
        grown = sum(max(number - before[key], 0) for key, number in now.items() if key in before)
        return grown / ((now_ns - self._close_ns) / 1e9)

    def _moved(self, processes: Sequence[ProcessReading]) -> list[tuple[int, ThreadReading]]:
        """Threads that are not as they were at the last close reading: most sleep for ever where they slept."""
        now = {(process.pid, thread.tid): thread for process in processes for thread in process.threads}
        before, self._threads = self._threads, now
        return [(key[0], thread) for key, thread in now.items() if before.get(key) != thread]

    def _row(
        self,
        sample: Sample,
        processes: Sequence[ProcessReading],
        state: State | None,
        threads: list[tuple[int, ThreadReading]] | None,
    ) -> dict[str, Any]:
        row: dict[str, Any] = {
            "at_s": round(max(sample.at_ns - self._started_ns, 0) / 1e9, 3),
            "step": state.step if state else None,
            "path": list(state.path) if state else [],
            "events": state.events if state else 0,
            "processes": [_process_row(process) for process in processes],
            "runnable": sample.runnable,
            "cgroup": sample.groups.to_json(),
            "available_mb": round(sample.available_bytes / 1e6) if sample.available_bytes is not None else None,
        }
        if sample.gpus:
            row["gpus"] = [reading.to_json() for reading in sample.gpus]
        if threads is not None:
            row["threads"] = [_thread_row(pid, thread) for pid, thread in threads]
        return row

    def _write(self, row: dict[str, Any]) -> None:
        try:
            self._written_bytes += self._file.write(json.dumps(row) + "\n")
            self._file.flush()
        except OSError as error:
            self._fail(f"readings could not be written: {error.strerror}")


def _process_row(process: ProcessReading) -> dict[str, Any]:
    main = process.main
    return {
        "pid": process.pid,
        "parent": process.parent,
        "name": process.name,
        "state": process.state,
        "cpu_s": round(process.cpu_s, 2),
        "rss_mb": round(process.rss_bytes / 1e6, 1),
        "faults": [process.minor_faults, process.major_faults],
        "threads": len(process.threads),
        "main_wchan": main.wchan if main else None,
        "main_switches": [main.voluntary_switches, main.involuntary_switches] if main else None,
    }


def _thread_row(pid: int, thread: ThreadReading) -> list[Any]:
    """Pid, tid, name, state, CPU s, wchan, system call's number, switches by itself and not, minor and major faults."""
    call = procfs.syscall(pid, thread.tid)
    return [
        pid,
        thread.tid,
        thread.name,
        thread.state,
        round(thread.cpu_s, 2),
        thread.wchan,
        call.number if call is not None else None,
        thread.voluntary_switches,
        thread.involuntary_switches,
        thread.minor_faults,
        thread.major_faults,
    ]


def _cores(pid: int) -> int | None:
    try:
        return len(os.sched_getaffinity(pid))
    except OSError:
        return None


def machine_memory() -> tuple[int | None, int | None]:
    """Bytes that the machine could still give, and that it has; None is what can't be read."""
    try:
        text = _MEMINFO.read_text(encoding="utf-8")
    except OSError:
        return None, None
    found = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        number = value.strip().removesuffix(" kB")
        if key in ("MemAvailable", "MemTotal") and number.isdecimal():
            found[key] = int(number) * 1024
    return found.get("MemAvailable"), found.get("MemTotal")
