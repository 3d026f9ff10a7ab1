"""Is there memory enough, and who would end a run that wants more?"""

from __future__ import annotations

from collections.abc import Iterator

from probes.doctor.interface import Check, Finding, ok, warning
from probes.doctor.machine import Machine

_NEAR = 0.9
_LITTLE_BYTES = 2 << 30


def _look(machine: Machine) -> Iterator[Finding]:
    groups = machine.groups
    limit, used = groups.memory_limit_bytes, groups.memory_used_bytes
    if groups.oom_kills:
        yield warning(
            f"the kernel has killed {groups.oom_kills} processes of this control group for want of memory already",
            "give the container more memory, or use fewer environments",
        )
    if limit is not None:
        told = f"the control group may use {limit / 1e9:.1f} GB" + (f", {used / 1e9:.1f} are in use" if used else "")
        if limit < _LITTLE_BYTES or (used is not None and used > _NEAR * limit):
            yield warning(told, "give the container more memory: the kernel kills what wants more")
        else:
            yield ok(told)
        return
    available = _available_bytes(machine)
    if available is None:
        yield ok("no memory limit is set for this control group")
    elif available < _LITTLE_BYTES:
        yield warning(f"only {available / 1e9:.1f} GB of memory are available", "end other programs, or add memory")
    else:
        yield ok(f"no memory limit; {available / 1e9:.1f} GB are available")


def _available_bytes(machine: Machine) -> int | None:
    for line in (machine.text("/proc/meminfo") or "").splitlines():
        key, _, value = line.partition(":")
        number = value.strip().removesuffix(" kB")
        if key == "MemAvailable" and number.isdecimal():
            return int(number) * 1024
    return None


CHECK = Check("memory", _look)
