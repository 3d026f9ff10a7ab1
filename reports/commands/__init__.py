"""
The command line, one file per command: each parses, calls and prints. A new one is added to ``COMMANDS``.

This is the only part of ``reports`` that may import ``repro``: for the training program's options, the catalogue and
the audit of checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable

from reports.commands import attach, audit, bisect, cases, doctor, envs, matrix, remedies, report, run
from reports.commands.interface import Commands

COMMANDS: tuple[Callable[[Commands], None], ...] = (
    run.add,
    attach.add,
    matrix.add,
    matrix.add_status,
    matrix.add_export,
    bisect.add,
    report.add,
    audit.add,
    doctor.add,
    remedies.add,
    cases.add,
    envs.add,
)
"""In the order of the help."""
