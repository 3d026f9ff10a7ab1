"""The C library, and which rungs of the heap check it can give."""

from __future__ import annotations

from collections.abc import Iterator

from probes.doctor.interface import Blocked, Check, Finding, blocks, ok, warning
from probes.doctor.machine import Machine
from probes.heap.ladder import LADDER, Loader, RungUnavailableError

_OLDEST = (2, 28)
"""What wheels of today's torch are built for (manylinux_2_28)."""


def _look(machine: Machine) -> Iterator[Finding]:
    if machine.glibc is None:
        yield blocks(
            "the C library is not glibc: its heap checks, and torch's wheels, are for glibc",
            "use an image with glibc (python:3.11-slim instead of -alpine)",
            Blocked.HEAP_CHECK,
        )
        return
    version = ".".join(map(str, machine.glibc))
    if machine.glibc < _OLDEST:
        yield warning(
            f"glibc {version}: wheels of today's torch want {'.'.join(map(str, _OLDEST))}", "use a newer system"
        )
    else:
        yield ok(f"glibc {version}")
    missing = {}
    for rung in LADDER:
        try:
            rung.variables(Loader(machine.glibc, machine.library_folders), machine.environ)
        except RungUnavailableError as error:
            missing[rung.id] = str(error)
    if missing:
        yield warning(
            "--heap-check lacks " + "; ".join(f"{rung} ({reason})" for rung, reason in missing.items()),
            "install what is missing for a sharper look; the other rungs work without",
        )


CHECK = Check("libc", _look)
