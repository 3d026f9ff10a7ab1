"""Is the Python that trains one that the agent knows?"""

from __future__ import annotations

from collections.abc import Iterator

from probes.doctor.interface import Check, Finding, ok, warning
from probes.doctor.machine import Machine

_OLDEST, _NEWEST = (3, 9), (3, 14)


def _look(machine: Machine) -> Iterator[Finding]:
    examined = machine.examined
    told = f"{examined.python} is {examined.implementation} {'.'.join(map(str, examined.version))}"
    if examined.implementation != "cpython":
        yield warning(f"{told}: the agent and py-spy are for CPython", "train with CPython")
    elif not _OLDEST <= examined.version[:2] <= _NEWEST:
        known = " to ".join(".".join(map(str, version)) for version in (_OLDEST, _NEWEST))
        yield warning(f"{told}: the agent is tested with {known}", f"train with CPython {known}")
    else:
        yield ok(told)


CHECK = Check("python", _look)
