"""Room for what is written: run folders, temporary files, shared memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from probes.doctor.interface import Blocked, Check, Finding, blocks, ok, warning
from probes.doctor.machine import Machine

_NEEDED_BYTES = 100 << 20
"""An hour's run folder is 50 MB at most."""
_WANTED_BYTES = 10 << 30
"""One environment with a CUDA build of torch takes half of it."""
_SHARED_BYTES = 512 << 20
_SHARED = Path("/dev/shm")  # noqa: S108 - shared memory, not a temporary file


def _look(machine: Machine) -> Iterator[Finding]:
    for name, path in (("the current folder", Path.cwd()), ("the folder for temporary files", machine.temporary)):
        space = machine.space(path)
        if space is None:
            yield warning(f"the free space of {name} ({path}) can't be told")
        elif space.free < _NEEDED_BYTES:
            yield blocks(
                f"{name} ({path}) has {space.free / 1e6:.0f} MB left, too little for a run's folder",
                "make room, or name a folder on another disk with --out",
                Blocked.RUN,
            )
        elif space.free < _WANTED_BYTES:
            yield warning(
                f"{name} ({path}) has {space.free / 1e9:.1f} GB left: enough for runs, not for a matrix's environments",
                "make room before a sweep",
            )
        else:
            yield ok(f"{name} has {space.free / 1e9:.0f} GB left")


CHECK = Check("disk", _look)


def _look_shared(machine: Machine) -> Iterator[Finding]:
    space = machine.space(_SHARED)
    if space is None:
        yield warning(
            f"{_SHARED} is missing: multiprocessing's locks and shared memory do not work",
            f"mount it: mount -t tmpfs tmpfs {_SHARED}",
        )
    elif min(space.total, space.free) < _SHARED_BYTES:
        yield warning(
            f"{_SHARED} has {space.free / 1e6:.0f} of {space.total / 1e6:.0f} MB left: shared buffers and data-loader "
            "workers end with a bus error (SIGBUS) when it is full",
            "docker run --shm-size 2g, or remove what lies in it",
        )
    else:
        yield ok(f"{_SHARED} has {space.free / 1e9:.1f} GB left")


SHARED_MEMORY = Check("shm", _look_shared)
