"""
What a cluster costs: trivial trials on two worker processes of this machine, beside the same without a cluster.

``python -m tests.bench.cluster [--trials N]`` prints a table. The time of a slot is what one worker, or one thread,
spends on a trial; what is left of it beside the watched run itself is overhead.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from matrix.environments.cache import CellEnvironment, Lock, UvEnvironments
from matrix.environments.uv import Uv
from matrix.executors import Executor, LocalExecutor
from matrix.executors.cluster import ClusterAddress, connected
from matrix.executors.dask import DaskExecutor
from matrix.plan.cells import Cell, Trial, VersionSet
from matrix.running.trial import TrialTask
from probes.watch import watch

WORKERS = 2
VERSIONS = VersionSet("none", (), f"{sys.version_info.major}.{sys.version_info.minor}")
EMPTY = Lock(VERSIONS.python, "")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40, metavar="N")
    number = parser.parse_args().trials
    print(f"{'':10}{'trials':>8}{'all, s':>10}{'slot, s':>10}{'run, s':>10}{'overhead, s':>13}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = folder / "program"
        program.mkdir()
        (program / "__main__.py").write_text("pass\n")
        provided = UvEnvironments(Uv(), folder / "envs").provide(VERSIONS, EMPTY, lambda: False)
        assert isinstance(provided, CellEnvironment)
        with LocalExecutor(WORKERS, 1) as local:
            measure("local", local, [task(folder, n, provided) for n in range(number)])
        with cluster() as executor:
            measure("cluster", executor, [task(folder, n, EMPTY) for n in range(number)])


@contextlib.contextmanager
def cluster() -> Iterator[DaskExecutor]:
    """Workers on this machine."""
    with connected(ClusterAddress.parse(f"local:{WORKERS}"), threads=1) as client, DaskExecutor(client) as executor:
        yield executor


def task(folder: Path, number: int, environment: CellEnvironment | Lock) -> TrialTask:
    """A trial that does nothing."""
    trial = Trial(Cell({"n": number}, VERSIONS, (), f"n={number}"), 0, 0, 60.0, 1)
    return TrialTask(
        trial,
        environment,
        folder / "program",
        folder / "sweep",
        frozenset(),
        watch,
        on_start=lambda _: None,
        on_status=lambda *_: None,
        may_start=lambda: True,
        should_stop=lambda: False,
    )


def measure(name: str, executor: Executor, tasks: list[TrialTask]) -> None:
    """Runs all, and prints a row; the first few, in which environments are looked up, don't count."""
    for future in [executor.submit(one) for one in tasks[:WORKERS]]:
        future.result()
    since = time.monotonic()
    observations = [future.result() for future in [executor.submit(one) for one in tasks]]
    all_s = time.monotonic() - since
    slot_s = all_s * min(WORKERS, executor.slots) / len(tasks)
    run_s = statistics.mean(observation.wall_s or 0.0 for observation in observations)
    print(f"{name:10}{len(tasks):8}{all_s:10.2f}{slot_s:10.3f}{run_s:10.3f}{slot_s - run_s:13.3f}")


if __name__ == "__main__":
    main()
