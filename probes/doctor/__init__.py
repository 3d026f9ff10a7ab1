"""
What this machine permits, and what stands in the way: one file per check, each a pure question to a view of the
machine. A new one is added to ``CHECKS``.
"""

from __future__ import annotations

from probes.doctor import core_dumps, cpu, cuda, disk, libc, memory, openmp, ptrace, py_spy, python, tools, wsl
from probes.doctor.examined import Examined, NotAPythonError, examine, find_python
from probes.doctor.interface import Blocked, Check, Finding, Level
from probes.doctor.machine import Machine, this_machine
from probes.doctor.script import LIMIT_S, ScriptError, ScriptFailedError, rehearse

CHECKS: tuple[Check, ...] = (
    python.CHECK,
    ptrace.CHECK,
    py_spy.CHECK,
    tools.AGENT,
    cpu.CHECK,
    memory.CHECK,
    openmp.CHECK,
    libc.CHECK,
    wsl.CHECK,
    cuda.CHECK,
    disk.CHECK,
    disk.SHARED_MEMORY,
    core_dumps.CHECK,
    tools.UV,
)

Findings = dict[str, tuple[Finding, ...]]
"""By check, in the order of the registry."""


def consult(machine: Machine) -> Findings:
    """Asks every check."""
    return {check.id: tuple(check.look(machine)) for check in CHECKS}


__all__ = [
    "CHECKS",
    "LIMIT_S",
    "Blocked",
    "Check",
    "Examined",
    "Finding",
    "Findings",
    "Level",
    "Machine",
    "NotAPythonError",
    "ScriptError",
    "ScriptFailedError",
    "consult",
    "examine",
    "find_python",
    "rehearse",
    "this_machine",
]
