"""
What environments that are built already cost a sweep: seconds of handling per cell, and per environment.

A first sweep builds two tiny library sets. Second ones are measured: everything that they ask of the environments
(find the lock, compare each environment with what was built, mark it as used, write down which cells use it, look again
at the end), by our own process's clock and CPU time, shared out among the cells. The locks are known where a sweep goes
on or has its releases dated (``exclude-newer``); else uv resolves again, once a sweep. ``--requirement`` takes a
library set of your own, such as one with torch, whose thousands of files take longer to compare. The number asked for
is at most 0.2 s a cell.

    python -m tests.bench.environments
    python -m tests.bench.environments --cells 4 --requirement torch==2.13.0 --requirement stable-baselines3
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from matrix.environments.cache import METADATA, CellEnvironment, Lock, UvEnvironments
from matrix.environments.guard import changes, unseal
from matrix.environments.mirrors import uv_settings
from matrix.environments.uv import Uv
from matrix.plan.cells import VersionSet

ASKED_S = 0.2
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def main() -> None:
    """Builds, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=20, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="second sweeps (default: %(default)s)")
    parser.add_argument("--requirement", action="append", default=[], metavar="REQ", help="one library set of these")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if options.requirement:
            uv, sets = Uv(), [VersionSet("yours", tuple(options.requirement), _PYTHON)]
        else:
            uv = Uv(settings=uv_settings(_with_tiny_wheels(folder)))
            sets = [VersionSet(version, (f"tiny=={version}",), _PYTHON) for version in ("1.0", "2.0")]
        try:
            _report(uv, folder / "envs", sets, options.cells, options.rounds)
        finally:
            unseal(folder / "envs")


def _report(uv: Uv, cache: Path, sets: Sequence[VersionSet], cells: int, rounds: int) -> None:
    started = time.monotonic()
    first = UvEnvironments(uv, cache)
    locks = [_provided(first, versions, None).lock for versions in sets]
    first.close()
    print(f"building {len(sets)} environments: {time.monotonic() - started:.2f} s")
    files = sum(len(names) for _, _, names in os.walk(cache))
    print(f"files: {files}; cells: {cells}; second sweeps: {rounds}\n")
    print(f"{'':28}{'s a sweep':>12}{'s a cell':>12}{'CPU s a cell':>14}")
    worst = 0.0
    for at in range(2 * rounds):
        resolving = at >= rounds
        wall, cpu = _second_sweep(uv, cache, sets, [None] * len(sets) if resolving else locks, cells)
        worst = max(worst, wall / cells)
        what = "resolving again" if resolving else "locks known"
        print(f"{what:28}{wall:12.4f}{wall / cells:12.4f}{cpu / cells:14.4f}")
    compared = time.monotonic()
    for lock in locks:
        assert changes(cache / lock.id, frozenset({METADATA})) == []
    print(f"{'comparing, per environment':28}{(time.monotonic() - compared) / len(locks):12.4f}")
    print(f"\nworst: {worst:.4f} s a cell; asked for: at most {ASKED_S} s")


def _second_sweep(
    uv: Uv, cache: Path, sets: Sequence[VersionSet], locks: Sequence[Lock | None], cells: int
) -> tuple[float, float]:
    started, cpu = time.monotonic(), time.process_time()
    environments = UvEnvironments(uv, cache)
    provided = [_provided(environments, versions, lock) for versions, lock in zip(sets, locks, strict=True)]
    for cell in range(cells):
        with provided[cell % len(provided)].used_by(f"cell {cell}"):
            pass
    assert environments.look() == []
    environments.close()
    return time.monotonic() - started, time.process_time() - cpu


def _provided(environments: UvEnvironments, versions: VersionSet, lock: Lock | None) -> CellEnvironment:
    environment = environments.provide(versions, lock, lambda: False)
    if not isinstance(environment, CellEnvironment):
        sys.exit(f"{versions.name}: {environment.reason}")
    assert environment.notes == ()
    return environment


def _with_tiny_wheels(folder: Path) -> dict[str, str]:
    """An environment in which pip would know two releases of a tiny package and nothing else."""
    for version in ("1.0", "2.0"):
        info = f"tiny-{version}.dist-info"
        files = {
            "tiny.py": f"VERSION = {version!r}\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in files) + f"{info}/RECORD,,\n"
        with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as wheel:
            for path, text in files.items():
                wheel.writestr(path, text)
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    return {
        **mine,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "UV_CACHE_DIR": str(folder / "uv"),
    }


if __name__ == "__main__":
    main()
