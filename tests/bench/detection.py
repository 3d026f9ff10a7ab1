"""
How soon a freeze is noticed and told, and whether long but healthy pauses are left alone.

Each script notes by its own clock when it comes to a standstill; the clock is the one that all processes share.

    python -m tests.bench.detection
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from probes.watch import Status, WatchOptions, watch

_HEAD = """
    import os, sys, threading, time
    import gymnasium, numpy, torch
    from stable_baselines3 import PPO
    torch.set_num_threads(1)

    def now_it_stands():
        with open(sys.argv[1], "w") as file:
            file.write(str(time.monotonic()))

    class Market(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-9, 9, (4,), numpy.float32)
        action_space = gymnasium.spaces.Discrete(3)
        count = 0

        def reset(self, *, seed=None, options=None):
            self.left = 20
            if self.count:
                self.pause()
            return numpy.zeros(4, numpy.float32), {}

        def step(self, action):
            self.count += 1
            self.left -= 1
            self.quote()
            return numpy.zeros(4, numpy.float32), 0.0, self.left == 0, False, {}

        def quote(self):
            pass

        def pause(self):
            pass

    def train(n_steps=64, steps=1280, **settings):
        model = PPO("MlpPolicy", Market(), n_steps=n_steps, batch_size=32, n_epochs=2, seed=1, device="cpu")
        model.learn(steps, **settings)
"""
_LOCK = """
    def quote(self):
        if self.count == 100:
            lock = threading.Lock()
            lock.acquire()
            now_it_stands()
            lock.acquire()
    Market.quote = quote
    train()
"""
_SPIN = """
    def quote(self):
        if self.count == 100:
            now_it_stands()
            while True:
                pass
    Market.quote = quote
    train()
"""
_ABORT = """
    import ctypes
    def quote(self):
        if self.count == 100:
            block = ctypes.CDLL(None).malloc
            block.restype = ctypes.c_void_p
            free = ctypes.CDLL(None).free
            free.argtypes = [ctypes.c_void_p]
            place = block(40)
            now_it_stands()
            free(place)
            free(place)
    Market.quote = quote
    train()
"""
_SLOW_STEPS = """
    def quote(self):
        time.sleep(2)
    Market.quote = quote
    train(n_steps=16, steps=16)
"""
_SLOW_RESETS = """
    def pause(self):
        time.sleep(20)
    Market.pause = pause
    train(n_steps=32, steps=64)
"""
_LONG_ROLLOUT = """
    train(n_steps=50_000, steps=50_000)
"""
_LONG_EVALUATION = """
    from stable_baselines3.common.callbacks import EvalCallback
    class Slow(Market):
        def quote(self):
            time.sleep(0.3)
    train(steps=128, callback=EvalCallback(Slow(), eval_freq=100, n_eval_episodes=10, verbose=0, warn=False))
"""
FREEZES = {"lock": _LOCK, "spin": _SPIN, "abort": _ABORT}
HEALTHY = {
    "steps of 2 s": _SLOW_STEPS,
    "resets of 20 s": _SLOW_RESETS,
    "n_steps of 50,000": _LONG_ROLLOUT,
    "evaluation of 60 s": _LONG_EVALUATION,
}


@dataclass(frozen=True)
class Seen:
    """What was said of one run. Seconds after the standstill; None is never."""

    verdict: str
    suspected_s: float | None
    told_s: float | None
    stack_s: float | None
    """When the first stack was on disk."""
    lasted_s: float


def _watch(body: str) -> Seen:
    with tempfile.TemporaryDirectory() as folder:
        script, stood = Path(folder, "training.py"), Path(folder, "stood")
        script.write_text(textwrap.dedent(_HEAD) + textwrap.dedent(body), encoding="utf-8")
        suspected: list[float] = []
        told: list[float] = []

        def note(status: Status) -> None:
            if status.suspicious:
                suspected.append(time.monotonic())
            if status.diagnosis is not None:
                told.append(time.monotonic())

        out = Path(folder, "out")
        began = time.monotonic()
        diagnosis = watch(
            [sys.executable, str(script), str(stood)],
            WatchOptions(
                out=out,
                on_freeze="stop",
                on_status=note,
                stdin_null=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": folder},
            ),
        )
        lasted_s = time.monotonic() - began
        since = float(stood.read_text()) if stood.exists() else None
        wall = time.time() - time.monotonic()
        stacks = [path.stat().st_mtime - wall for path in out.glob("stacks/*.json")]

        def after(moments: list[float]) -> float | None:
            later = [moment - since for moment in moments if since is not None and moment >= since]
            return min(later, default=None)

        return Seen(str(diagnosis.verdict), after(suspected), after(told), after(stacks), lasted_s)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the bench and prints its tables; 1 if a healthy run was called anything else."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.detection",
        description="Measures how soon a freeze is suspected and told, and counts false alarms on long pauses.",
        epilog="example: python -m tests.bench.detection --repeats 3",
    )
    parser.add_argument(
        "--repeats", type=int, default=1, metavar="N", help="runs of each freeze (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    print(f"{'freeze':<22}{'verdict':>12}{'suspected':>12}{'told':>10}{'first stack':>14}", flush=True)
    for name, body in FREEZES.items():
        for _ in range(options.repeats):
            seen = _watch(body)
            times = f"{_seconds(seen.suspected_s):>12}{_seconds(seen.told_s):>10}{_seconds(seen.stack_s):>14}"
            print(f"{name:<22}{seen.verdict:>12}{times}", flush=True)
    alarms = 0
    print(f"\n{'healthy':<22}{'verdict':>12}{'lasted':>12}")
    for name, body in HEALTHY.items():
        seen = _watch(body)
        alarms += seen.verdict != "healthy"
        print(f"{name:<22}{seen.verdict:>12}{_seconds(seen.lasted_s):>12}", flush=True)
    print(f"false alarms: {alarms} of {len(HEALTHY)}")
    return 1 if alarms else 0


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
