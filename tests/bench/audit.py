"""
How often ``freezelab audit`` is right: checkpoints that were trained, and forgeries of them; and how long it takes.

    python -m tests.bench.audit            # every algorithm, then files of 10 MB and 1 GB
    python -m tests.bench.audit --small    # without the 1 GB file
    python -m tests.bench.audit --times    # only how long it takes
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from repro.checkpoints.audit import audit
from tests.repro.checkpoints.making import KINDS, Kind, Made, forged, honest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="without the 1 GB file")
    parser.add_argument("--times", action="store_true", help="only how long it takes")
    parser.add_argument("names", nargs="*", metavar="ALGORITHM", help="default: all")
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if not options.names or kind.name in options.names]
    if not options.times:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            _score(kinds, Path(folder))
        print(f"made and audited in {time.monotonic() - begun:.0f} s\n")
    if not options.names:
        for size in (10,) if options.small else (10, 1000):
            with tempfile.TemporaryDirectory() as folder:
                _time(size, Path(folder))


def _score(kinds: list[Kind], folder: Path) -> None:
    rows: Counter[tuple[str, str, bool]] = Counter()
    unique: dict[bool, set[Path]] = {True: set(), False: set()}
    wrong = []
    for made in _made(kinds, folder):
        said = str(audit(made.path, made.against).verdict)
        rows[made.name.partition(" ")[0], "false" if made.false else "honest", said in made.right] += 1
        rows["all", f"{'false' if made.false else 'honest'}: {said}", said in made.right] += 1
        unique[made.false].add(made.path)
        if said not in made.right:
            wrong.append(f"{made.name}: {said}, not {' or '.join(made.right)}")
    print(f"{'algorithm':14}{'honest right':>14}{'of':>5}{'false right':>14}{'of':>5}")
    totals = [0, 0, 0, 0]
    for name in [kind.name for kind in kinds]:
        cells = []
        for what in ("honest", "false"):
            right, missed = rows[name, what, True], rows[name, what, False]
            cells += [right, right + missed]
        totals = [before + cell for before, cell in zip(totals, cells, strict=True)]
        print(f"{name:14}{cells[0]:>14}{cells[1]:>5}{cells[2]:>14}{cells[3]:>5}")
    print(f"{'all':14}{totals[0]:>14}{totals[1]:>5}{totals[2]:>14}{totals[3]:>5}")
    print(f"{len(unique[False])} honest files and {len(unique[True])} false ones")
    for (name, what, right), count in sorted(rows.items()):
        if name == "all":
            print(f"  {what:32}{count:>5}{'' if right else '  wrong'}")
    for line in wrong:
        print(f"  wrong: {line}")


def _made(kinds: list[Kind], folder: Path) -> Iterator[Made]:
    for kind in kinds:
        yield from honest(kind, folder)
        yield from forged(kind, folder)


def _time(megabytes: int, folder: Path) -> None:
    """One model with as many weights as make such a file: a third each for weights and both moments."""
    width = int((megabytes * 1e6 / 12 / 2) ** 0.5)
    path = folder / "large.zip"
    net_arch = {"pi": [width, width], "vf": [width, width]}
    # Without orthogonal weights, which would take minutes to make.
    KINDS[0].model(policy_kwargs={"net_arch": net_arch, "ortho_init": False}, n_epochs=1).learn(32).save(path)
    for against in ([], ["--against", str(path)]):
        command = [sys.executable, "-c", _MEASURED, "audit", str(path), *against]
        begun = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        took = time.monotonic() - begun
        what = "against a base as large" if against else "alone"
        print(f"{path.stat().st_size / 1e6:6.0f} MB, {what}: {took:.2f} s, {done.stderr.strip()}")


_MEASURED = """
import re, resource, sys
import freezelab
assert freezelab.main(sys.argv[1:]) == 0
usage = resource.getrusage(resource.RUSAGE_SELF)
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
cpu = usage.ru_utime + usage.ru_stime
print(f"{cpu:.2f} s of CPU, {peak / 1e3:.0f} MB at most, mapped files among them", file=sys.stderr)
"""
"""The command with what it used, start-up and all."""


if __name__ == "__main__":
    main()
