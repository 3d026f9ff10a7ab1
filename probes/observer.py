"""
Watches one supervised command and decides when to look closer.

Cheap readings come twice a second; stacks, a sampled profile and a census of calls only once the run's own
history says that something is out of the ordinary.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probes import death, procfs
from probes.flight import State
from probes.profile import Profile, Sampler
from probes.progress import Progress
from probes.stacks import Dump, StackError, dump
from probes.supervisor import Supervised

READ_EVERY_S = 0.5
_LOOK_EVERY_S = 0.9
_MAX_LOOKS = 40
_PROFILE_S = 6
_MAX_PROFILES = 3
_CENSUSES = 8
_CENSUS_AFTER_S = 0.75
"""An update that has lasted so long is worth a census: at most one minibatch of it is slowed down each time."""


@dataclass(frozen=True)
class Look:
    """A closer look at the whole family while it was silent."""

    at_ns: int
    silence_s: float
    state: State | None
    processes: tuple[procfs.ProcessReading, ...]
    dumps: dict[int, Dump]
    failures: dict[int, str]
    """Pid to why its stack could not be taken."""


@dataclass
class Observations:
    """All that was seen of a run, before anyone judges it."""

    started_ns: int
    looks: list[Look] = field(default_factory=list)
    """Of the present or last silence."""
    profiles: list[Profile] = field(default_factory=list)
    censuses: list[dict[str, Any]] = field(default_factory=list)
    deaths: list[death.Death] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What could not be observed, and why."""
    suspected_ns: int | None = None
    peak_rss_bytes: int = 0

    def at_s(self, ns: int) -> float:
        """Seconds after the start of the run."""
        return max(ns - self.started_ns, 0) / 1e9


class Observer:
    """
    Follows ``child`` until it ends.

    :param folder: the run's folder; ``readings.jsonl``, ``stacks/`` and profiles go there.
    :param stacks: whether py-spy may be used.
    """

    def __init__(self, child: Supervised, progress: Progress, folder: Path, *, stacks: bool) -> None:
        self._child = child
        self.progress = progress
        self._folder = folder
        self._stacks = stacks
        self.seen = Observations(child.started_ns)
        self._readings = (folder / "readings.jsonl").open("w", encoding="utf-8")
        self._next_read_ns = 0
        self._next_look_ns = 0
        self._sampler: Sampler | None = None
        self._profiled_standstills = 0
        self._census_asked = 0
        self._watch = death.DeathWatch(folder / "stacks") if stacks else None

    def close(self) -> None:
        """Ends what still observes and keeps what it found."""
        self._collect_profile(wait=True)
        self.progress.poll(time.monotonic_ns())
        self._collect_census()
        self._readings.close()

    def tick(self) -> bool:
        """One round; True if fresh readings were taken."""
        now = time.monotonic_ns()
        if self._watch is not None:
            self.seen.deaths += self._watch.check(self.progress)
        if now < self._next_read_ns:
            return False
        self._next_read_ns = now + int(READ_EVERY_S * 1e9)
        self.progress.poll(now)
        processes = tuple(self._child.family())
        self._write_reading(now, processes)
        silent = self.progress.is_silent(now)
        if self.seen.suspected_ns is None and (silent or self.progress.stands_still()):
            self.seen.suspected_ns = now
        if silent:
            self._look(now, processes)
        elif self.seen.looks:
            # It moved again: those looks were at a pause that is over.
            self.seen.looks = []
        self._count_calls(now)
        self._profile()
        return True

    def _write_reading(self, now: int, processes: tuple[procfs.ProcessReading, ...]) -> None:
        self.seen.peak_rss_bytes = max(self.seen.peak_rss_bytes, sum(p.rss_bytes for p in processes))
        state = self.progress.state
        row = {
            "at_s": round(self.seen.at_s(now), 3),
            "step": state.step if state else None,
            "path": list(state.path) if state else [],
            "events": state.events if state else 0,
            "processes": [
                {
                    "pid": p.pid,
                    "parent": p.parent,
                    "name": p.name,
                    "state": p.state,
                    "cpu_s": round(p.cpu_s, 2),
                    "rss_mb": round(p.rss_bytes / 1e6, 1),
                    "threads": len(p.threads),
                    "main_wchan": p.main.wchan if p.main else None,
                }
                for p in processes
            ],
        }
        try:
            self._readings.write(json.dumps(row) + "\n")
            self._readings.flush()
        except OSError as error:
            self._fail(f"readings could not be written: {error.strerror}")

    def _fail(self, reason: str) -> None:
        if reason not in self.seen.failures:
            self.seen.failures.append(reason)

    def _look(self, now: int, processes: tuple[procfs.ProcessReading, ...]) -> None:
        if now < self._next_look_ns or len(self.seen.looks) >= _MAX_LOOKS:
            return
        # Looks become rarer the longer nothing changes.
        self._next_look_ns = now + int(_LOOK_EVERY_S * 1e9 * max(1, len(self.seen.looks) // 5))
        dumps: dict[int, Dump] = {}
        failures: dict[int, str] = {}
        for process in processes:
            if process.state in "ZX":
                continue
            if process.state == "T":
                failures[process.pid] = f"process {process.pid} is stopped"
            elif self._stacks:
                try:
                    dumps[process.pid] = dump(process.pid, time.monotonic_ns())
                except StackError as error:
                    failures[process.pid] = str(error)
                    if procfs.is_alive(process.pid, process.started_ticks):
                        self._fail(str(error))
        look = Look(now, self.progress.silence_s(now), self.progress.state, processes, dumps, failures)
        self.seen.looks.append(look)
        self._keep_stacks(look)

    def _keep_stacks(self, look: Look) -> None:
        folder = self._folder / "stacks"
        try:
            folder.mkdir(exist_ok=True)
            value = {
                "at_s": round(self.seen.at_s(look.at_ns), 3),
                "silence_s": round(look.silence_s, 3),
                "processes": [
                    {"pid": pid, "threads": [thread.to_json() for thread in taken.threads]}
                    for pid, taken in look.dumps.items()
                ],
                "failures": {str(pid): reason for pid, reason in look.failures.items()},
            }
            path = folder / f"{round(self.seen.at_s(look.at_ns) * 1000):09d}.json"
            path.write_text(json.dumps(value), encoding="utf-8")
        except OSError as error:
            self._fail(f"stacks could not be written: {error.strerror}")

    def _count_calls(self, now: int) -> None:
        self._collect_census()
        since = self.progress.train_since_ns
        recording = self.progress.recording
        state = self.progress.state
        if since is None or recording is None or state is None or len(self.seen.censuses) >= _CENSUSES:
            return
        if (now - since) / 1e9 > _CENSUS_AFTER_S and state.census_done >= self._census_asked:
            recording.request_census()
            self._census_asked = state.census_done + 1

    def _collect_census(self) -> None:
        recording = self.progress.recording
        state = self.progress.state
        if recording is None or state is None or self._census_asked == 0:
            return
        if state.census_done >= self._census_asked > len(self.seen.censuses):
            census = recording.text("census")
            if census is not None:
                self.seen.censuses.append(census)

    def _profile(self) -> None:
        self._collect_profile(wait=False)
        standstills = len(self.progress.standstills)
        recording = self.progress.recording
        if (
            self._stacks
            and self._sampler is None
            and self.progress.stands_still()
            and recording is not None
            and self._profiled_standstills < standstills
            and len(self.seen.profiles) < _MAX_PROFILES
        ):
            self._profiled_standstills = standstills
            path = self._folder / f"profile-{len(self.seen.profiles) + 1}.speedscope.json"
            try:
                self._sampler = Sampler(recording.pid, path, _PROFILE_S)
            except StackError as error:
                self._fail(str(error))

    def _collect_profile(self, *, wait: bool) -> None:
        if self._sampler is None or not (wait or self._sampler.done):
            return
        profile = self._sampler.finish()
        if profile is not None and profile.samples:
            self.seen.profiles.append(profile)
        self._sampler = None
