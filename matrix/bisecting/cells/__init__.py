"""Cells that a person names on the command line: of a sweep's file, or of a command with ``{placeholders}``."""

from __future__ import annotations

from matrix.bisecting.cells.command import CommandCells
from matrix.bisecting.cells.interface import Cells, Order
from matrix.bisecting.cells.planned import PlannedCells

__all__ = ["Cells", "CommandCells", "Order", "PlannedCells"]
