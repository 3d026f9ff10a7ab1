"""
The command line, one file per command: each parses, calls and prints. A new one is added to ``NAMES``.

This is the only part of ``reports`` that may import ``repro``: for the training program's options, the catalogue, and
the audit of checkpoints.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from reports.commands.interface import Commands

NAMES = ("run", "attach", "matrix", "bisect", "report", "audit", "extend", "doctor", "remedies", "cases", "envs")
"""In the order of the help. Each is a module here, whose ``add`` adds the command and what belongs to it."""
OF_MATRIX = ("matrix status", "matrix export")
"""Commands of two words."""


def add_to(commands: Commands, first: str) -> None:
    """
    Adds the command that is asked for, or all if it is none of them.

    No other is imported: what supervises a training for days is not to hold what a sweep computes with.

    :param first: the first word of the command line.
    """
    name = first.split(" ")[0]
    for each in (name,) if name in NAMES else NAMES:
        add: Callable[[Commands], None] = importlib.import_module(f"reports.commands.{each}").add
        add(commands)
