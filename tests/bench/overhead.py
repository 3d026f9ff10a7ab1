"""
What the probes cost: the same training with and without them, in pairs, on one core by turns.

"Without" is the plain command, "with" the same command under :func:`probes.watch.watch`. Both run at the same time on
the same core, where the scheduler changes between them every few milliseconds: whatever slows the core down for a while
slows down both. So what is compared is the processor time of all processes of each in ``learn``. A ratio of 1 is free;
the spread is that of the pairs. The supervisor is a process of its own, which takes nothing from a training while it
has a core to itself: its share of one core is told apart, and once more the ratio with its whole life in it, as where
both have to share the only core.

The checks of the training data may begin with some 50 ms of credit each, and the first standstill is profiled: what a
run costs once weighs the more the shorter it is, so ``--longer`` makes the trainings as much longer.

    python -m tests.bench.overhead --pairs 5 --longer 4
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from probes import carry
from probes.agent.layout import CHECKSUMS_VARIABLE
from probes.watch import WatchOptions, watch

_T = TypeVar("_T")

_HEAD = """
    import os, pathlib, sys, time
    import gymnasium, numpy, torch
    torch.set_num_threads(1)

    class Dummy(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (26,), numpy.float32)
        action_space = gymnasium.spaces.Discrete(9)

        def __init__(self):
            self.rows = numpy.random.default_rng(0)

        def reset(self, *, seed=None, options=None):
            self.left = 100
            return self.rows.standard_normal(26, dtype=numpy.float32), {}

        def step(self, action):
            self.left -= 1
            reward = 0.01 * float(self.rows.standard_normal())
            return self.rows.standard_normal(26, dtype=numpy.float32), reward, self.left == 0, False, {}

    def cpu_s():
        ticks = 0
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == os.getsid(0):
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def measure(model, steps):
        result, longer, ready, others = sys.argv[1:]
        pathlib.Path(ready).touch()
        patient = time.monotonic() + 60
        while not os.path.exists(others):
            if time.monotonic() > patient:
                sys.exit("the other training of the pair has not come to its learn")
            time.sleep(0.005)
        began = cpu_s()
        model.learn(steps * int(longer))
        pathlib.Path(result).write_text(str(cpu_s() - began))

    if __name__ == "__main__":
"""
_CASES = {
    "PPO, CartPole": """
        from stable_baselines3 import PPO
        measure(PPO("MlpPolicy", "CartPole-v1", n_steps=1024, seed=0, device="cpu"), 4096)
    """,
    "RecurrentPPO, as reported": """
        from sb3_contrib import RecurrentPPO
        measure(RecurrentPPO("MlpLstmPolicy", Dummy(), n_steps=1024, batch_size=64, n_epochs=3, seed=0, device="cpu",
            policy_kwargs=dict(net_arch=[64, 64], lstm_hidden_size=256)), 1024)
    """,
    "SAC, Pendulum": """
        from stable_baselines3 import SAC
        measure(SAC("MlpPolicy", "Pendulum-v1", learning_starts=100, seed=0, device="cpu"), 700)
    """,
    "PPO, 8 SubprocVecEnv": """
        from stable_baselines3 import PPO
        from stable_baselines3.common.vec_env import SubprocVecEnv
        measure(PPO("MlpPolicy", SubprocVecEnv([Dummy] * 8), n_steps=256, n_epochs=4, seed=0, device="cpu"), 20480)
    """,
}


@dataclass(frozen=True)
class Row:
    """One training, measured."""

    name: str
    plain_s: float
    """Median processor time of ``learn`` without the probes."""
    ratios: tuple[float, ...]
    """The training's processor time without the probes over that with them, by pair."""
    on_one_core: tuple[float, ...]
    """The same with that of the supervisor added."""
    supervisor_share: float
    """CPU time of the supervisor, of one core's."""
    folder_bytes_per_hour: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the bench and prints its table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.overhead",
        description="Measures what the probes cost: paired runs with and without them, as ratios of throughput.",
        epilog="example: python -m tests.bench.overhead --pairs 7 --only SAC",
    )
    parser.add_argument(
        "--pairs", type=int, default=3, metavar="N", help="pairs for each training (default: %(default)s)"
    )
    parser.add_argument(
        "--longer", type=int, default=4, metavar="N", help="times the shortest training (default: %(default)s)"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="only trainings whose name has TEXT in it")
    parser.add_argument(
        "--checksums", choices=("off", "rollout", "epoch"), default="epoch", help="how often (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if min(options.pairs, options.longer) < 1:
        parser.error("--pairs and --longer must be at least 1")
    cases = {name: body for name, body in _CASES.items() if options.only.lower() in name.lower()}
    if not cases:
        parser.error(f"no training has {options.only!r} in its name: {', '.join(_CASES)}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder  # stable-baselines3 makes its log folders there
        print(f"{'training':<24}{'without':>10}{'with, of 1':>22}{'supervisor':>12}{'on one core':>22}{'folder':>12}")
        for name, body in cases.items():
            row = _measure(Path(folder), name, body, options)
            size = f"{row.folder_bytes_per_hour / 1e6:.1f} MB/h"
            print(
                f"{row.name:<24}{row.plain_s:>8.2f} s{_spread(row.ratios):>22}{row.supervisor_share:>11.1%} "
                f"{_spread(row.on_one_core):>22}{size:>12}",
                flush=True,
            )
        print(f"agent start-up: {_start_up_ms(Path(folder), options.pairs):.1f} ms a process")
    return 0


def _spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f}..{max(ratios):.3f})"


def _measure(folder: Path, name: str, body: str, options: argparse.Namespace) -> Row:
    script = folder / "training.py"
    script.write_text(textwrap.dedent(_HEAD) + textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n")
    environment = {**_environment(), CHECKSUMS_VARIABLE: options.checksums}
    core = max(os.sched_getaffinity(0))
    sizes: list[float] = []
    shares: list[float] = []

    def command(own: str, other: str) -> list[str]:
        files = (folder / f"{own}-s", str(options.longer), folder / f"{own}-ready", folder / f"{other}-ready")
        return [sys.executable, str(script), *map(str, files)]

    def plain() -> float:
        os.sched_setaffinity(0, {core})
        subprocess.run(command("plain", "probed"), env=environment, check=True, start_new_session=True)
        return float((folder / "plain-s").read_text())

    def probed() -> tuple[float, float]:
        os.sched_setaffinity(0, {core})
        out = folder / f"run-{len(sizes)}"
        began, used = time.monotonic(), time.process_time()
        watch(command("probed", "plain"), WatchOptions(out=out, env=environment, stdin_null=True))
        lasted_s = time.monotonic() - began
        used_s = time.process_time() - used
        shares.append(used_s / lasted_s)
        # Flight files have their full size from the start; the rest grows with time.
        growing = sum(path.stat().st_size for path in out.rglob("*") if path.is_file() and path.suffix != ".bin")
        sizes.append(growing / lasted_s * 3600)
        return float((folder / "probed-s").read_text()), used_s

    without, ratios, on_one_core = [], [], []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(options.pairs):
            for path in folder.glob("*-ready"):
                path.unlink()
            one, other = pool.submit(plain), pool.submit(probed)
            without.append(one.result())
            training_s, supervisor_s = other.result()
            ratios.append(without[-1] / training_s)
            on_one_core.append(without[-1] / (training_s + supervisor_s))
    return Row(
        name,
        statistics.median(without),
        tuple(ratios),
        tuple(on_one_core),
        statistics.median(shares),
        statistics.median(sizes),
    )


def _in_turn(first: Callable[[], _T], second: Callable[[], _T], swapped: bool) -> tuple[_T, _T]:
    if swapped:
        later = second()
        return first(), later
    return first(), second()


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def _start_up_ms(folder: Path, pairs: int) -> float:
    """Median of what the agent adds to the start of an interpreter that imports nothing else."""
    flight = folder / "flight"
    flight.mkdir()
    environments = (_environment(), carry.environment(_environment(), flight))

    def started_s(environment: dict[str, str]) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", ""], env=environment, check=True)
        return time.perf_counter() - began

    differences = []
    for number in range(4 * pairs):
        seconds = _in_turn(lambda: started_s(environments[0]), lambda: started_s(environments[1]), number % 2 == 1)
        differences.append(1000 * (seconds[1] - seconds[0]))
    return statistics.median(differences)


if __name__ == "__main__":
    sys.exit(main())
