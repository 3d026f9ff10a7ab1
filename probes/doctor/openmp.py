"""Does one environment bring several OpenMP runtimes?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from probes.doctor.interface import Check, Finding, ok, warning
from probes.doctor.machine import Machine

_KINDS = {"libgomp": "GNU", "libiomp5": "Intel", "libomp": "LLVM"}


def _look(machine: Machine) -> Iterator[Finding]:
    found = dict(item for site in machine.examined.sites for item in _runtimes(site))
    places = ", ".join(sorted(f"{_owner(path, machine)} ({_KINDS[kind]})" for path, kind in found.items()))
    kinds = set(found.values())
    if len(kinds) > 1:
        yield warning(
            f"different OpenMP runtimes in one environment: {places}. Loaded into one process, threads of one can wait "
            "for ever for those of the other, at no CPU (pytorch issue 193520)",
            "install these packages from one source (all from conda-forge, or all wheels), or import torch first",
        )
    elif len(found) > 1:
        yield warning(
            f"{len(found)} copies of one OpenMP runtime: {places}. Each keeps threads of its own: they add up",
            "set OMP_NUM_THREADS to half the cores, or less",
        )
    else:
        yield ok(f"one OpenMP runtime: {places}" if found else "no OpenMP runtime in the environment's packages")


def _runtimes(site: Path) -> Iterator[tuple[Path, str]]:
    """Each runtime below a site folder, as itself and not as one of its names, and its kind."""
    for folder, _, names in os.walk(site):
        for name in names:
            stem, dot, _ = name.partition(".so")
            kind = stem.partition("-")[0]
            if dot and kind in _KINDS:
                yield Path(folder, name).resolve(), kind


def _owner(path: Path, machine: Machine) -> str:
    """``torch/lib/libgomp.so.1``: the file below its site folder."""
    for site in machine.examined.sites:
        if path.is_relative_to(site.resolve()):
            return str(path.relative_to(site.resolve()))
    return str(path)


CHECK = Check("openmp", _look)
