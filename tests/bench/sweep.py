"""
What a sweep costs beside the training itself, and what is left of one whose runner is killed.

The cells are real: each is a process under :func:`probes.watch.watch` with the agent inside, stored like any other.
What they run is next to nothing, so that all that is measured is ours. "Bare" is the same program, started by the same
interpreter without any of it, one after the other.

    python -m tests.bench.sweep                 overhead per cell, and the time of 200 cells on two cores
    python -m tests.bench.sweep --cells 1000    the time of 1,000
    python -m tests.bench.sweep --kills 100     kill -9 of the runner at random moments, and going on
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from matrix.environments.cache import CellEnvironment, Lock, ShouldStop
from matrix.plan.cells import Cell, VersionSet
from matrix.plan.plan import Plan, RunSettings
from matrix.results.store import Record, read_records
from matrix.running.sweep import run_sweep
from matrix.running.trial import CELLS_FOLDER
from matrix.running.view import SilentView
from probes.agent.layout import FOLDER_VARIABLE
from probes.diagnosis import Diagnosis, InvalidDiagnosisError

ROOT = Path(__file__).resolve().parents[2]
_VERSIONS = VersionSet("here", ("nothing",), f"{sys.version_info.major}.{sys.version_info.minor}")
_JOURNAL = "journal.txt"
_NOTHING = "pass\n"
_JOURNALLED = """
import os, sys, time
number = int(sys.argv[1])

def note(event):
    journal = os.open(sys.argv[0] + "/../journal.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(journal, f"{event} {number} {os.getpid()}\\n".encode())
    os.close(journal)

note("begun")
time.sleep(number % 7 * 0.02)
note("ended")
if number % 5 == 0:
    raise RuntimeError("as planted")
"""
"""A cell that says, behind everybody's back, when it began and when it had nothing more to do."""


class Here:
    """This very Python is every cell's environment."""

    def provide(self, versions: VersionSet, known: Lock | None, should_stop: ShouldStop) -> CellEnvironment:
        """See :meth:`matrix.environments.interface.Environments.provide`."""
        return CellEnvironment(Path(sys.executable), known or Lock(versions.python, "nothing"))


def plan_of(cells: int) -> Plan:
    """A sweep of so many cells that do next to nothing."""
    numbers = tuple(range(cells))
    return Plan(
        name="nothing",
        factors={"versions": ("here",), "number": numbers},
        cells=tuple(
            Cell({"versions": "here", "number": number}, _VERSIONS, (str(number),), f"number={number}")
            for number in numbers
        ),
        run=RunSettings(limit_s=60.0),
    )


def program_in(folder: Path, text: str) -> Path:
    """A training program as a sweep takes it."""
    program = folder / "program"
    program.mkdir()
    (program / "__main__.py").write_text(text, encoding="utf-8")
    return program


def sweep(folder: Path, cells: int, jobs: int, text: str = _NOTHING) -> float:
    """Seconds that a sweep takes."""
    program = program_in(folder, text)
    began = time.monotonic()
    result = run_sweep(
        plan_of(cells), folder / "out", jobs=jobs, view=SilentView(), environments=Here(), program=program
    )
    took_s = time.monotonic() - began
    if len(result.analysis.ran) != cells:
        raise SystemExit(f"{len(result.analysis.ran)} of {cells} cells ran: {dict(result.analysis.headlines)}")
    return took_s


def bare(folder: Path, cells: int) -> float:
    """Seconds that the same processes take without us, one after the other, on one core as a cell's."""
    program = program_in(folder, _NOTHING)
    core = min(os.sched_getaffinity(0))
    began = time.monotonic()
    for number in range(cells):
        with (
            subprocess.Popen(
                [sys.executable, str(program), str(number), "--seed", "0", "--threads", "1"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONNOUSERSITE": "1"},
            ) as process,
            contextlib.suppress(ProcessLookupError),
        ):
            os.sched_setaffinity(process.pid, {core})
    return time.monotonic() - began


@dataclass
class Killed:
    """What became of a sweep whose runner was killed again and again."""

    kills: int = 0
    lost: list[str] = field(default_factory=list)
    """Trials that had ended, in the store or on the disk, and were not there, or not as they were, later."""
    twice: list[str] = field(default_factory=list)
    """Trials that had ended and were begun again."""
    orphans: list[int] = field(default_factory=list)
    """Processes of cells that were there when their sweep had come to its end."""
    different: list[str] = field(default_factory=list)
    """Trials whose outcome is not what it is without any kill."""
    begun_again: int = 0
    """Trials that were under way when the runner was killed, and had to be run again."""
    recovered: int = 0
    """Trials of which only the diagnosis was there, not the row, when the runner was killed."""

    @property
    def good(self) -> bool:
        return not (self.lost or self.twice or self.orphans or self.different)


def kill_again_and_again(folder: Path, kills: int, cells: int, seed: int, longest_s: float = 3.0) -> Killed:
    """
    Runs sweeps, kills their runners at random moments and goes on, until ``kills`` have been done.

    :param cells: of each sweep; one that ends before is followed by another.
    :param longest_s: a runner that is killed has lived no longer.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    found = Killed()
    for number in itertools.count():
        if found.kills >= kills:
            break
        place = folder / str(number)
        place.mkdir()
        program_in(place, _JOURNALLED)
        _Mortal(place, cells, chance, longest_s, found).run(kills)
    return found


class _Mortal:
    """One sweep, killed and gone on with until it has come to its end."""

    def __init__(self, folder: Path, cells: int, chance: random.Random, longest_s: float, found: Killed) -> None:
        self._folder, self._out, self._found = folder, folder / "out", found
        self._chance, self._longest_s = chance, longest_s
        self._numbers = {trial.id: number for number, trial in enumerate(plan_of(cells).trials)}
        self._ended: dict[str, tuple[Record | None, int]] = {}
        """Trial to its row, if it had one when it was first seen to have ended, and how often it had begun by then."""

    def run(self, kills: int) -> None:
        """Until the sweep is complete; at most ``kills`` of all sweeps together."""
        while not self._start(kills):
            self._check()
        rows = self._check()
        begun = self._begun()
        self._found.begun_again += sum(begun.values()) - len(self._numbers)
        self._found.orphans += [pid for _, _, pid in self._journal() if self._is_alive(pid)]
        for trial, number in self._numbers.items():
            outcome = rows[trial].observation if trial in rows else None
            if outcome is None:
                self._found.lost.append(trial)
            elif outcome.headline != ("exception" if number % 5 == 0 else "healthy"):
                self._found.different.append(trial)

    def _start(self, kills: int) -> bool:
        """Runs it until it ends or is killed; True if it came to its end."""
        command = [sys.executable, "-m", "tests.bench.sweep", "--run", str(self._folder)]
        with subprocess.Popen([*command, "--cells", str(len(self._numbers))], cwd=ROOT) as runner:
            try:
                # Starting takes a while, too, and is as good a moment as any.
                status = runner.wait(self._chance.uniform(0.1, self._longest_s) if self._found.kills < kills else None)
            except subprocess.TimeoutExpired:
                runner.kill()
                self._found.kills += 1
                return False
        if status != 0:
            raise SystemExit(f"the runner ended with {status}")
        return True

    def _check(self) -> dict[str, Record]:
        """Compares what there is with what had ended before; remembers what has ended since."""
        store = self._out / "sweep.sqlite"
        there = store.exists() and store.stat().st_size > 0  # it may have been killed while it made it
        rows = {record.id: record for record in read_records(store)} if there else {}
        begun = self._begun()
        for trial, (record, times) in self._ended.items():
            if begun[self._numbers[trial]] != times:
                self._found.twice.append(trial)
            # A row that was missing may still be, if this runner was killed before it could look.
            if record is not None and rows.get(trial) != record:
                self._found.lost.append(trial)
        for trial in {*rows, *self._diagnosed()} - set(self._ended):
            self._found.recovered += trial not in rows
            self._ended[trial] = rows.get(trial), begun[self._numbers[trial]]
        return rows

    def _diagnosed(self) -> Iterator[str]:
        for path in (self._out / CELLS_FOLDER).glob("*/diagnosis.json"):
            with contextlib.suppress(InvalidDiagnosisError):
                Diagnosis.load(path)
                yield path.parent.name

    def _journal(self) -> list[tuple[str, int, int]]:
        with contextlib.suppress(FileNotFoundError):
            lines = (self._folder / _JOURNAL).read_text(encoding="utf-8").splitlines()
            return [(event, int(number), int(pid)) for event, number, pid in map(str.split, lines)]
        return []

    def _begun(self) -> Counter[int]:
        return Counter(number for event, number, _ in self._journal() if event == "begun")

    def _is_alive(self, pid: int) -> bool:
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False
        return f"{FOLDER_VARIABLE}={self._out.resolve()}{os.sep}".encode() in environ


def _run(folder: Path, cells: int) -> None:
    """What is killed."""
    run_sweep(plan_of(cells), folder / "out", view=SilentView(), environments=Here(), program=folder / "program")


def _show_costs(cells: int) -> None:
    few = 20
    with tempfile.TemporaryDirectory() as scratch:
        places = [Path(scratch, name) for name in ("warm", "bare", "one", "two")]
        for place in places:
            place.mkdir()
        sweep(places[0], 2, 1)
        bare_s, one_s = bare(places[1], few) / few, sweep(places[2], few, 1) / few
        load = os.getloadavg()[0]
        two_s = sweep(places[3], cells, 2)
    print(f"load average {load:.1f} on {len(os.sched_getaffinity(0))} cores, {few} cells one by one")
    print(f"{'a bare process':<36}{bare_s:8.3f} s")
    print(f"{'a cell, one after the other':<36}{one_s:8.3f} s")
    print(f"{'overhead per cell':<36}{one_s - bare_s:8.3f} s   (aim: 0.3)")
    print(f"{f'{cells} cells, two at once':<36}{two_s:8.1f} s")
    if cells != 1000:
        print(f"{'1,000 cells, if all go like these':<36}{two_s / cells * 1000:8.1f} s   (aim: 360)")


def _show_kills(kills: int, cells: int, seed: int) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        began = time.monotonic()
        found = kill_again_and_again(Path(scratch), kills, cells, seed)
    print(f"{found.kills} kills in {time.monotonic() - began:.0f} s, seed {seed}")
    print(f"{'lost':<36}{len(found.lost):6d}")
    print(f"{'run twice':<36}{len(found.twice):6d}")
    print(f"{'orphans':<36}{len(found.orphans):6d}")
    print(f"{'other outcomes than without kills':<36}{len(found.different):6d}")
    print(f"{'under way, so begun again':<36}{found.begun_again:6d}")
    print(f"{'recovered from their diagnosis':<36}{found.recovered:6d}")
    if not found.good:
        print(json.dumps(vars(found), indent=1))
    return found.good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=None, help="how many cells (default: 200; with --kills 60)")
    parser.add_argument("--kills", type=int, default=None, help="kill the runner so many times")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run is not None:
        _run(options.run, options.cells)
        return 0
    if options.kills is not None:
        return 0 if _show_kills(options.kills, options.cells or 60, options.seed) else 1
    _show_costs(options.cells or 200)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
