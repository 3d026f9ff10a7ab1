"""
Watches one supervised command and decides when to look closer.

Cheap readings come twice a second; stacks, a sampled profile and a census of calls only once the run's own
history says that something is out of the ordinary.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from probes import death
from probes.census import module_loops
from probes.flight import State
from probes.pace import Slowing
from probes.profile import Profile, Sampler
from probes.progress import Progress
from probes.stacks import Dump, StackError, dump
from probes.system import mappings, procfs
from probes.system.peek import Peek, peek
from probes.system.readings import KEPT_SAMPLES, Readings, Sample
from probes.waits import Kind, WaitGraph, read_waits

READ_EVERY_S = 0.5
_LOOK_EVERY_S = 0.9
_MAX_LOOKS = 40
_MAX_UNLIKE = 3
"""Of looks none of which is like the one before it: what they are at changes all the time, and that is what it does."""
_UNSEEN_STANDS_NS = 10_000_000_000
_WORK_S = 0.3
"""So much processor time in that while is work."""
GPU_DRIVER = "libcuda.so"
"""How the file names of the driver's library begin."""
_MAX_NATIVE = 4
_PROFILE_S = 6
_MAX_PROFILES = 3
_CENSUSES = 4
_CENSUSES_WITHOUT_LOOP = 16
"""What comes in one of four minibatches, as the LSTM's steps where an episode begins, is in none of four too often."""
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
    waits: WaitGraph = field(default_factory=WaitGraph)
    native: dict[int, Dump] = field(default_factory=dict)
    """
    Mixed stacks of processes whose main thread waits on a lock, or that use a GPU: taken once in a silence, as they
    cost more.
    """
    peeks: dict[tuple[int, int], Peek] = field(default_factory=dict)
    """Of threads that were awake: which calls they are met in."""


@dataclass
class Observations:
    """All that was seen of a run, before anyone judges it."""

    started_ns: int
    looks: list[Look] = field(default_factory=list)
    """Of the present or last silence."""
    past_looks: list[Look] = field(default_factory=list)
    """Of the silence before it that was looked at most often."""
    profiles: list[Profile] = field(default_factory=list)
    censuses: list[dict[str, Any]] = field(default_factory=list)
    deaths: list[death.Death] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What could not be observed, and why."""
    ended: dict[int, int] = field(default_factory=dict)
    """Processes of the family that were seen dead before their parent asked: pid to status, as of ``waitpid``."""
    corrupt: bool = False
    """Whether the checks of the training data have found anything."""
    attached: bool = False
    """Whether the family was there before us."""
    suspected_ns: int | None = None
    slowing: Slowing | None = None
    """The phase that took ever longer, as it was found last."""
    slowing_ns: int | None = None
    """When a phase was first seen to take ever longer."""
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=KEPT_SAMPLES))
    out_of_memory_kills: int | None = None
    """How many processes the kernel has killed for want of memory so far; None if that can't be read."""

    def at_s(self, ns: int) -> float:
        """Seconds after the start of the run."""
        return max(ns - self.started_ns, 0) / 1e9

    def counted_enough(self) -> bool:
        """Whether no more minibatches need to have their calls counted."""
        return len(self.censuses) >= (_CENSUSES if any(map(module_loops, self.censuses)) else _CENSUSES_WITHOUT_LOOP)


class Watched(Protocol):
    """What is observed: a command that we started, or a family that was there before us."""

    @property
    def pid(self) -> int: ...

    @property
    def started_ns(self) -> int: ...

    def family(self, *, closely: bool = True) -> Sequence[procfs.ProcessReading]:
        """Its processes, the one that it began with first."""


class Observer:
    """
    Follows ``child`` until it ends.

    :param folder: the run's folder; ``readings.jsonl``, ``stacks/`` and profiles go there.
    :param stacks: whether py-spy may be used.
    :param variables: whether local variables are kept with the stacks.
    :param foreign: the family is not ours: it is looked at closely from the first moment, and nothing in it is
        touched, a process held at its death included.
    """

    def __init__(
        self,
        child: Watched,
        progress: Progress,
        folder: Path,
        *,
        stacks: bool,
        variables: bool = False,
        foreign: bool = False,
    ) -> None:
        self._child = child
        self._foreign = foreign
        self.progress = progress
        self._folder = folder
        self._stacks = stacks
        self._variables = variables
        self.seen = Observations(child.started_ns, attached=foreign)
        self._readings = Readings(folder / "readings.jsonl", child.pid, child.started_ns, self._fail)
        self._family: tuple[int, ...] = ()
        self._next_read_ns = 0
        self._worked_ns = child.started_ns
        self._worked_s = 0.0
        self._next_look_ns = 0
        self._held: list[Look] = []
        self._sampler: Sampler | None = None
        self._profiled_standstills = 0
        self._profiled_slowing = False
        self._profiles_natively = True
        self._census_asked = 0
        self._watch = death.DeathWatch(folder / "stacks", variables=variables) if stacks and not foreign else None

    def close(self) -> None:
        """Ends what still observes and keeps what it found."""
        self._collect_profile(wait=True)
        self.progress.poll(time.monotonic_ns())
        self._collect_census()
        self.seen.out_of_memory_kills = self._readings.out_of_memory_kills()
        self._readings.close()

    def tick(self) -> bool:
        """One round; True if fresh readings were taken."""
        now = time.monotonic_ns()
        if self._watch is not None:
            self.seen.deaths += self._watch.check(self.progress, self._family)
            for failure in self._watch.failures:
                self._fail(failure)
        if now < self._next_read_ns:
            return False
        self._next_read_ns = now + int(READ_EVERY_S * 1e9)
        self.progress.poll(now)
        silent = self._foreign or self.progress.is_silent(now) or self._stands_unseen(now)
        unusual = silent or self.progress.stands_still()
        closely = silent or self._readings.wants_threads(now, unusual=unusual)
        processes = tuple(self._child.family(closely=closely))
        self._note_work(now, processes)
        self._family = tuple(process.pid for process in processes)
        self.seen.ended |= {p.pid: p.exit_status for p in processes if p.exit_status is not None}
        self.seen.samples.append(self._readings.add(now, processes, self.progress.state, closely=closely))
        self.seen.out_of_memory_kills = self._readings.out_of_memory_kills()
        self.seen.corrupt = self.seen.corrupt or bool(self.progress.findings())
        slowing = self.progress.slowing()
        if slowing is not None:
            # Kept: what the end of the run is like, or a pause, does not undo what was established before.
            self.seen.slowing = slowing
            self.seen.slowing_ns = self.seen.slowing_ns or now
        if self.seen.suspected_ns is None and (unusual or self.seen.corrupt or self.seen.slowing_ns is not None):
            self.seen.suspected_ns = now
        if silent:
            self._look(now, processes)
        elif self.seen.looks:
            # It moved again: those looks were at a pause that is over.
            self.seen.past_looks = max(self.seen.past_looks, self.seen.looks, key=len)
            self.seen.looks, self._held = [], []
        self._count_calls(now)
        self._profile()
        return True

    def _fail(self, reason: str) -> None:
        if reason not in self.seen.failures:
            self.seen.failures.append(reason)

    def _stands_unseen(self, now: int) -> bool:
        """Whether a family in which no agent has seen anything yet has used no processor for a while."""
        return self.progress.state is None and now - self._worked_ns > _UNSEEN_STANDS_NS

    def _note_work(self, now: int, processes: tuple[procfs.ProcessReading, ...]) -> None:
        used_s = sum(process.cpu_s for process in processes)
        if abs(used_s - self._worked_s) > _WORK_S or self.progress.state is not None:
            self._worked_ns, self._worked_s = now, used_s

    def _look(self, now: int, processes: tuple[procfs.ProcessReading, ...]) -> None:
        number = len(self.seen.looks) + len(self._held)
        if now < self._next_look_ns or number >= _MAX_LOOKS:
            return
        # Looks become rarer the longer nothing changes.
        self._next_look_ns = now + int(_LOOK_EVERY_S * 1e9 * max(1, number // 5))
        dumps: dict[int, Dump] = {}
        failures: dict[int, str] = {}
        for process in processes:
            if process.state in "ZX":
                continue
            if self._stacks:
                try:
                    dumps[process.pid] = dump(process.pid, time.monotonic_ns(), variables=self._variables)
                except StackError as error:
                    failures[process.pid] = str(error)
                    if procfs.is_alive(process.pid, process.started_ticks):
                        self._fail(str(error))
        if self.progress.state is None and not self._foreign and not dumps:
            return  # Of a launcher that is no Python program, it means nothing that it waits.
        waits = read_waits(processes, dumps)
        native = self._dump_natively(dumps, waits) if number == 1 and not self._foreign else {}
        state = self.progress.state
        look = Look(
            now, self.progress.silence_s(now), state, processes, dumps, failures, waits, native, peek(processes)
        )
        self._keep_stacks(look)
        self._take(look)

    def _take(self, look: Look) -> None:
        """
        Adds a look to those that are judged, once it is sure to be of one moment.

        The processes of a family are looked at one after the other. Where one gets its answer meanwhile, it may be
        seen to wait still, and the one that gave the answer to wait again: nobody would seem to hold it up.
        """
        if not self._foreign:
            self.progress.poll(time.monotonic_ns())
            if self.progress.silence_s(look.at_ns) < look.silence_s:
                return  # it has moved since: the silence is over
        recording = self.progress.recording
        trainer = recording.pid if recording is not None and recording.pid in look.dumps else self._child.pid
        keys = [item.waits.chain(trainer).key for item in (*self.seen.looks[-1:], *self._held, look)]
        self._held.append(look)
        # Who waits for whom is unlike the look before: the next one tells which of the two it is.
        if len(keys) < 2 or keys[-1] == keys[-2] or len(self._held) >= _MAX_UNLIKE:
            self.seen.looks += self._held
            self._held = []

    @staticmethod
    def _dump_natively(dumps: dict[int, Dump], waits: WaitGraph) -> dict[int, Dump]:
        """Whose lock it is that a process waits on, or that it waits for a GPU, its Python stack does not tell."""
        found: dict[int, Dump] = {}
        for pid in dumps:
            wait = waits.waits.get((pid, pid))
            locked = wait is not None and wait.kind is Kind.LOCK and not wait.timed
            if len(found) < _MAX_NATIVE and (locked or mappings.maps(pid, GPU_DRIVER)):
                with contextlib.suppress(StackError):
                    found[pid] = dump(pid, time.monotonic_ns(), native=True)
        return found

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
                "waits": [wait.to_json() for wait in look.waits.waits.values()],
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
        if since is None or recording is None or state is None or self.seen.counted_enough():
            return
        if self._foreign:
            return  # whoever started it may be counting
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
        still = self.progress.stands_still() and self._profiled_standstills < standstills
        slowing = self.seen.slowing_ns is not None and not self._profiled_slowing
        if (
            self._stacks
            and not self._foreign
            and self._sampler is None
            and (still or slowing)
            and recording is not None
            and len(self.seen.profiles) < _MAX_PROFILES
        ):
            self._profiled_standstills = standstills
            self._profiled_slowing = self.seen.slowing_ns is not None
            # What grows is most often handed to native code, of which a Python stack shows nothing.
            native = slowing and not still and self._profiles_natively
            path = self._folder / f"profile-{len(self.seen.profiles) + 1}.speedscope.json"
            try:
                self._sampler = Sampler(recording.pid, path, _PROFILE_S, native=native)
            except StackError as error:
                self._fail(str(error))

    @property
    def profiles(self) -> bool:
        """Whether a profile is being taken."""
        return self._sampler is not None

    def _collect_profile(self, *, wait: bool) -> None:
        if self._sampler is None or not (wait or self._sampler.done):
            return
        profile = self._sampler.finish()
        if profile is not None and profile.samples:
            self.seen.profiles.append(profile)
        elif self._sampler.native:
            # Native stacks can't be had everywhere: once more without.
            self._profiles_natively = self._profiled_slowing = False
        self._sampler = None
