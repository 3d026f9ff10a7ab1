"""What the kernel does with a process that crashes; FreezeLab needs no core file."""

from __future__ import annotations

from collections.abc import Iterator

from probes.doctor.interface import Check, Finding, ok, warning
from probes.doctor.machine import Machine

_LARGE_BYTES = 1 << 30


def _look(machine: Machine) -> Iterator[Finding]:
    pattern = machine.text("/proc/sys/kernel/core_pattern")
    limit = machine.core_limit_bytes
    if pattern is None:
        yield ok("what happens to core files can't be told; FreezeLab needs none")
    elif pattern.startswith("|"):
        handler = pattern[1:].split()[0] if pattern[1:].split() else "a program"
        yield ok(
            f"core files go to {handler}, whatever ulimit -c says: a process of several GB takes long to die of a crash"
        )
    elif limit is None or limit > _LARGE_BYTES:
        size = "any size" if limit is None else f"up to {limit / 1e9:.0f} GB"
        yield warning(
            f"a crash writes a core file of {size} into the folder it trains in ({pattern!r}): slow, and it can fill "
            "the disk; FreezeLab takes the stack without",
            "ulimit -c 0",
        )
    else:
        yield ok(f"core files are {'off' if limit == 0 else 'small'} (core_pattern {pattern!r}); FreezeLab needs none")


CHECK = Check("core-dumps", _look)
