"""What is known to go wrong, or to be taken for a freeze: pure questions to what is known of a run."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probes.preflight.known import Known, runtime_of

LONG_S = 5.0
"""A bar that stands still for less alarms nobody."""
_MANY_STEPS = 8
_INDEX = re.compile(r"\d+")


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
    kinds = {runtime_of(path) for path in known.runtimes}
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
    if isinstance(seconds, list) and isinstance(count, int) and max(seconds) * count > LONG_S:
        yield standing(min(seconds) * count, max(seconds) * count, known.first_update, f"{count} minibatches")


def standing(low_s: float, high_s: float, step: int | None, work: str) -> Warned:
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
