"""
What can be known of a run before it goes wrong: read once ``learn`` has begun, and told at once.

Each check is a pure question to the :class:`Known` of a run and says what it saw, why that matters and what to do.
None of them bears on the verdict: whether it comes to that is for the run to show.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probes.diagnosis import Diagnosis, Evidence
from probes.progress import Progress
from probes.system import cgroup, gpu, procfs

KIND = "preflight"
"""Kind of the evidence."""
_LONG_S = 5.0
"""A bar that stands still for less alarms nobody."""
_MANY_STEPS = 8
_TELLING = 3
_TELLING_S = 1.0
"""So many minibatches, or so long a time in them, tell how long the update will take."""
_PATIENCE_S = 4.0
"""So long is looked for threads of OpenMP: while they compute, nothing tells whose they are."""
_RUNTIMES = {"libgomp": "GNU", "libiomp5": "Intel", "libomp": "LLVM"}
_STARTED = 19
"""Of the fields from the state on: ticks after boot."""
_INDEX = re.compile(r"\d+")


@dataclass(frozen=True)
class Known:
    """What the checks may look at. None is what could not be read."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    """Of the agent: see ``agent/facts.py``, and ``agent/preflight.py`` under ``preflight``."""
    cores: float | None = None
    """That the run may use: by its affinity and its control groups."""
    runtimes: tuple[str, ...] = ()
    """Files of the OpenMP runtimes that the process has mapped."""
    gpus: frozenset[int] | None = None
    """Indices of the driver's GPUs; None without a driver."""
    before_fork: tuple[str, ...] = ()
    """Whose threads ran already when workers were forked: ``OpenMP``, ``CUDA``."""

    @property
    def flight(self) -> Mapping[str, Any]:
        return self.facts.get("preflight") or {}

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.facts.get("hyperparameters") or {}

    @property
    def first_update(self) -> int | None:
        """Step at which the first update comes; None if that is unknown."""
        rollout, done = self.flight.get("rollout") or {}, self.flight.get("at_step") or 0
        if rollout:
            steps, envs = rollout.get("n_steps"), rollout.get("n_envs")
            return done + steps * envs if isinstance(steps, int) and isinstance(envs, int) else None
        starts = self.settings.get("learning_starts")
        return max(done, starts) if isinstance(starts, int) else None


@dataclass(frozen=True)
class Warned:
    """One thing that is known to go wrong, or to be taken for a freeze."""

    id: str
    what: str
    why: str
    """Why it matters."""
    advice: str
    before_step: int | None = None
    """The step of the first update, before which it was known; None if it wasn't."""
    blocks: bool = False
    """Training will fail or hang, not just suffer."""

    @property
    def is_notice(self) -> bool:
        """Nothing is wrong: it is said so that it is not taken for a freeze."""
        return not self.why

    @property
    def line(self) -> str:
        return f"{self.what}: {self.why}" if self.why else self.what


def warnings(known: Known) -> list[Warned]:
    """Asks every check."""
    step = known.first_update
    return [dataclasses.replace(item, before_step=step) for check in _CHECKS for item in check(known)]


def _batch_first(known: Known) -> Iterator[Warned]:
    modules = known.facts.get("recurrent_modules") or {}
    fed = known.flight.get("fed_time_major") or []
    wrong = [name for name in fed if (modules.get(name) or {}).get("batch_first") is True]
    if wrong:
        yield Warned(
            "batch-first",
            f"batch_first is True in {' and '.join(wrong)}, but sb3-contrib feeds time-major sequences",
            "with one environment the rollout goes well, and the first update fails or learns from mixed-up sequences",
            "build the model without batch_first (no entry in lstm_kwargs)",
            blocks=True,
        )


def _n_steps(known: Known) -> Iterator[Warned]:
    rollout = known.flight.get("rollout") or {}
    steps, size = rollout.get("n_steps"), rollout.get("buffer_size")
    if rollout.get("library") and isinstance(steps, int) and isinstance(size, int) and steps != size:
        yield Warned(
            "n-steps-changed",
            f"n_steps is {steps}, but the rollout buffer was built for {size} steps",
            "the first update will refuse the rollout" if steps < size else "the rollout will overflow the buffer",
            "give n_steps to the constructor, or to load(..., n_steps=...)",
            blocks=True,
        )


def _evaluations(known: Known) -> Iterator[Warned]:
    for env in known.flight.get("eval_envs") or ():
        layers, chains = env.get("layers") or [], env.get("chains") or []
        if any(layer.get("limit") or layer.get("ends") for layer in layers):
            continue
        endless = [chain for chain in chains if not any(layer.get("limit") or layer.get("ends") for layer in chain)]
        if endless:
            yield Warned(
                "eval-without-limit",
                f"{env.get('callback')} evaluates in {_chain_text(endless[0])}, which has no time limit",
                "should the policy get into an episode that does not end by itself, training waits for it for ever",
                "wrap it: Monitor(TimeLimit(env, max_episode_steps=...))",
            )


def _monitors(known: Known) -> Iterator[Warned]:
    train = known.flight.get("train_env") or {}
    places = [("the training environment", train, False)]
    places += [(f"{env.get('callback')}'s environment", env, True) for env in known.flight.get("eval_envs") or ()]
    for place, env, evaluates in places:
        if any(layer.get("monitor") for layer in env.get("layers") or ()):
            continue
        inside = [chain for chain in env.get("chains") or () if _monitor_inside(chain)]
        if inside:
            yield Warned(
                "monitor-inside-time-limit",
                f"in {place} the Monitor is inside the TimeLimit: {_chain_text(inside[0])}",
                "it never sees an episode that the limit ends, and so an evaluation may count none and go on for ever"
                if evaluates
                else "it never sees an episode that the limit ends: their rewards and lengths are missing in the log",
                "put the Monitor outside: Monitor(TimeLimit(env, ...))",
            )


def _monitor_inside(chain: list[dict[str, Any]]) -> bool:
    limits = [place for place, layer in enumerate(chain) if layer.get("ends")]
    monitors = [place for place, layer in enumerate(chain) if layer.get("monitor")]
    return bool(limits and monitors) and min(monitors) > min(limits)


def _chain_text(chain: list[dict[str, Any]]) -> str:
    names = [str(layer.get("name")) for layer in chain]
    return "(".join(names) + ")" * (len(names) - 1)


def _threads(known: Known) -> Iterator[Warned]:
    threads = known.facts.get("torch_threads")
    if isinstance(threads, int) and known.cores is not None and threads > math.ceil(known.cores):
        yield Warned(
            "threads-above-cores",
            f"torch was given {threads} threads, but only {known.cores:g} cores may be used",
            "each parallel computation waits for threads that have no core: updates take many times as long",
            f"torch.set_num_threads({max(math.floor(known.cores), 1)}), or OMP_NUM_THREADS",
        )


def _thread_limit(known: Known) -> Iterator[Warned]:
    variables = known.flight.get("variables") or {}
    limit, asked = (str(variables.get(name, "")) for name in ("OMP_THREAD_LIMIT", "OMP_NUM_THREADS"))
    torch_threads = known.facts.get("torch_threads")
    threads = max(int(asked) if asked.isdecimal() else 0, torch_threads if isinstance(torch_threads, int) else 0)
    if limit.isdecimal() and 0 < int(limit) < threads:
        yield Warned(
            "thread-limit",
            f"OMP_THREAD_LIMIT={limit} is below the {threads} threads that OpenMP is asked for",
            "torch can hang for ever in its first parallel computation (pytorch issue 91547)",
            "unset OMP_THREAD_LIMIT, or set OMP_NUM_THREADS to at most that",
            blocks=True,
        )


def _runtimes(known: Known) -> Iterator[Warned]:
    kinds = {_runtime(path) for path in known.runtimes}
    listed = ", ".join(f"{Path(path).parent.name}/{Path(path).name}" for path in known.runtimes)
    if len(kinds) > 1:
        yield Warned(
            "two-openmp-runtimes",
            f"different OpenMP runtimes are loaded into the process: {listed}",
            "threads of one can wait for ever for those of the other, at no CPU (pytorch issue 193520)",
            "install these packages from one source (all conda-forge, or all wheels), or import torch first",
        )
    elif len(known.runtimes) > 1 and (known.facts.get("torch_threads") or 0) > 1:
        yield Warned(
            "two-openmp-runtimes",
            f"{len(known.runtimes)} copies of one OpenMP runtime are loaded into the process: {listed}",
            "each keeps threads of its own, which add up",
            "set OMP_NUM_THREADS to half the cores, or less",
        )


def _fork(known: Known) -> Iterator[Warned]:
    if known.before_fork:
        yield Warned(
            "fork-after-threads",
            f"workers were forked (start_method fork) after {' and '.join(known.before_fork)} had started threads",
            "a fork leaves these behind: a worker that uses the library waits for them for ever, or fails",
            "SubprocVecEnv(..., start_method='forkserver'), or make the workers before the first computation",
        )


def _visible(known: Known) -> Iterator[Warned]:
    value = (known.flight.get("variables") or {}).get("CUDA_VISIBLE_DEVICES")
    parts = [part.strip() for part in str(value or "").split(",")]
    if not parts[0] or parts[0] == "-1":
        return  # meant to hide them
    if known.gpus is None and not known.flight.get("cuda_build"):
        return
    there = known.gpus or frozenset()
    missing = [part for part in parts if _INDEX.fullmatch(part) and int(part) not in there]
    if missing:
        yield Warned(
            "cuda-visible-devices",
            f"CUDA_VISIBLE_DEVICES={value} names GPU {missing[0]}, which is not there",
            "it and those after it are hidden: training uses the CPU"
            if missing[0] == parts[0]
            else "it and those after it are hidden",
            "name only GPUs that nvidia-smi lists",
        )


def _gradient_steps(known: Known) -> Iterator[Warned]:
    steps, every = known.settings.get("gradient_steps"), known.settings.get("train_freq_steps")
    if isinstance(steps, int) and isinstance(every, int) and every > 0 and steps >= _MANY_STEPS * every:
        yield Warned(
            "gradient-steps",
            f"each update makes {steps} gradient steps, and the environments take {every} between two updates",
            "nearly all time will go into updates, and the step count stands still in each",
            "gradient_steps=-1 (as many as there were steps), unless so many are meant",
        )


def _measured_update(known: Known) -> Iterator[Warned]:
    update = known.flight.get("update") or {}
    seconds, count = update.get("minibatch_s"), update.get("minibatches")
    if isinstance(seconds, list) and isinstance(count, int) and max(seconds) * count > _LONG_S:
        yield _standing(min(seconds) * count, max(seconds) * count, known.first_update, f"{count} minibatches")


def _standing(low_s: float, high_s: float, step: int | None, work: str) -> Warned:
    # An LSTM's minibatch takes longer where an episode begins in it; how often that is nobody knows yet.
    apart = high_s > 1.5 * low_s and f"{low_s:.0f}" != f"{high_s:.0f}"
    lasts = f"{low_s:.0f} to {high_s:.0f} s, by how often episodes begin," if apart else f"about {high_s:.0f} s"
    at = f" at step {step}" if step is not None else ""
    return Warned(
        "long-update",
        f"the bar will stand still for {lasts}{at}; this is the update ({work}), not a freeze",
        "",
        "patience, or fewer epochs, larger minibatches, a smaller network",
    )


_CHECKS = (
    _batch_first,
    _n_steps,
    _evaluations,
    _monitors,
    _threads,
    _thread_limit,
    _runtimes,
    _fork,
    _visible,
    _gradient_steps,
    _measured_update,
)


class Preflight:
    """
    Follows a run until all that can be known beforehand is known.

    :param pid: the command's process.
    """

    def __init__(self, pid: int) -> None:
        self.warned: list[tuple[float, Warned]] = []
        """With seconds after the start of the run, in the order in which they were known."""
        self._groups = cgroup.Groups(pid)
        self._started = time.monotonic()
        self._learns = -1
        self._until = 0.0
        self._before: tuple[int, float] | None = None
        self._predicted = False
        self._threads: set[tuple[str, int]] = set()
        """Whose threads were seen, and when they were started."""

    def look(self, progress: Progress) -> list[Warned]:
        """What is newly known. Never raises: a warning that can't be given must not end the watching."""
        found: list[Warned] = []
        with contextlib.suppress(Exception):
            found += self._look(progress)
        known = {(item.id, item.what) for _, item in self.warned}
        fresh = [item for item in found if (item.id, item.what) not in known]
        self.warned += [(time.monotonic() - self._started, item) for item in fresh]
        return fresh

    def _look(self, progress: Progress) -> list[Warned]:
        state, recording = progress.state, progress.recording
        if state is None or recording is None:
            return []
        if "learn" not in state.path and "learn" not in state.phases:
            # Idle, a thread tells whose it is; once the training computes, it may never be idle again.
            self._threads.update(_libraries_threads(recording.pid, _mapped_runtimes(recording.pid)))
            return []
        found = []
        learns = state.phases["learn"].count if "learn" in state.phases else 0
        if learns != self._learns or time.monotonic() < self._until:
            facts = recording.text("facts") or {}
            if "preflight" in facts:
                if learns != self._learns:
                    # Only where workers were forked there is something to wait for.
                    forked = _forked(facts)
                    self._until = time.monotonic() + _PATIENCE_S if forked else 0.0
                self._learns = learns
                found += warnings(self.known(recording.pid, facts))
        found += self._predict(progress)
        return found

    def known(self, pid: int, facts: Mapping[str, Any]) -> Known:
        """Everything that the checks look at, of a process that trains."""
        mapped = _mapped_runtimes(pid)
        forked = _forked(facts)
        if forked:
            self._threads.update(_libraries_threads(pid, mapped))
        return Known(
            facts=facts,
            cores=self._cores(pid),
            runtimes=tuple(sorted({path for _, _, path in mapped})),
            gpus=_gpus(facts),
            before_fork=_before_fork(forked, self._threads),
        )

    def _cores(self, pid: int) -> float | None:
        try:
            cores = float(len(os.sched_getaffinity(pid)))
        except OSError:
            return None
        quota = self._groups.read().cpu_quota_cores
        return min(cores, quota) if quota is not None else cores

    def _predict(self, progress: Progress) -> list[Warned]:
        """How long the first update will take, once its first minibatch has ended."""
        state = progress.state
        if state is None or self._predicted or progress.train_since_ns is None or state.n_minibatches <= 0:
            if state is not None and progress.train_since_ns is None:
                done = state.phases.get("minibatch")
                self._before = (done.count, done.total_s) if done else (0, 0.0)
            return []
        done = state.phases.get("minibatch")
        count, total_s = self._before or (0, 0.0)
        if done is None or done.count <= count:
            return []
        # The first minibatch takes longer than those that follow; it speaks for itself only where it takes long.
        if done.count < count + _TELLING and done.total_s - total_s < _TELLING_S:
            return []
        self._predicted = True
        minibatches = state.n_minibatches * max(state.n_epochs, 1)
        whole_s = (done.total_s - total_s) / (done.count - count) * minibatches
        if whole_s <= _LONG_S:
            return []
        return [_standing(whole_s, whole_s, state.step, f"{minibatches} minibatches")]

    def noted(self, diagnosis: Diagnosis) -> Diagnosis:
        """The diagnosis with what was known beforehand; its verdict stays what it was."""
        found = tuple(
            Evidence(
                kind=KIND,
                at_s=round(at_s, 3),
                says=item.line,
                detail={
                    "id": item.id,
                    "what": item.what,
                    "why": item.why,
                    "advice": item.advice,
                    "before_step": item.before_step,
                    "measured": item.is_notice,
                },
            )
            for at_s, item in self.warned
        )
        return dataclasses.replace(diagnosis, evidence=(*diagnosis.evidence, *found))


def _forked(facts: Mapping[str, Any]) -> list[int]:
    flight = facts.get("preflight") or {}
    envs = [flight.get("train_env") or {}, *(flight.get("eval_envs") or ())]
    return [pid for env in envs for pid in env.get("forked") or () if isinstance(pid, int)]


def _runtime(path: str) -> str | None:
    """Kind of OpenMP runtime that a file is, by its name; None if it is none."""
    stem, dot, _ = Path(path).name.partition(".so")
    return _RUNTIMES.get(stem.partition("-")[0]) if dot else None


def _mapped_runtimes(pid: int) -> list[tuple[int, int, str]]:
    """Where OpenMP runtimes are mapped in a process: from, to, file."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        fields = line.split(None, 5)
        if len(fields) == 6 and _runtime(fields[5]) is not None:
            low, _, high = fields[0].partition("-")
            found.append((int(low, 16), int(high, 16), fields[5]))
    return found


def _gpus(facts: Mapping[str, Any]) -> frozenset[int] | None:
    """Asked only where it matters: the driver takes a moment to answer."""
    if "CUDA_VISIBLE_DEVICES" not in ((facts.get("preflight") or {}).get("variables") or {}):
        return None
    library = gpu.load()
    if library is None:
        return None
    try:
        return frozenset(reading.index for reading in gpu.Nvml(library).read())
    except gpu.NvmlError:
        return None


def _libraries_threads(pid: int, mapped: list[tuple[int, int, str]]) -> Iterator[tuple[str, int]]:
    """Whose threads a process has, as far as that shows right now, and when each was started, in ticks."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread may end meanwhile
            stat = procfs.parse_stat((task / "stat").read_text(encoding="utf-8", errors="replace"))
            if task.name == str(pid) or stat is None:
                continue
            started = int(stat[1][_STARTED])
            if stat[0].startswith("cuda"):
                yield "CUDA", started
            # An idle thread of a team waits within its runtime: the last word is where it goes on.
            words = (task / "syscall").read_text(encoding="ascii").split()
            if len(words) > 8 and any(low <= int(words[-1], 16) < high for low, high, _ in mapped):
                yield "OpenMP", started


def _before_fork(forked: list[int], threads: set[tuple[str, int]]) -> tuple[str, ...]:
    """Whose threads of the parent are older than its forked workers."""
    workers = [reading for item in forked if (reading := procfs.read_process(item, closely=False)) is not None]
    newest = max((worker.started_ticks for worker in workers), default=0)
    return tuple(sorted({whose for whose, started in threads if started < newest}, reverse=True))
