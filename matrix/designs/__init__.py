"""Designs: which of all combinations of levels are tried. A new kind is one file and one line here."""

from __future__ import annotations

from matrix.designs.full import FullDesign
from matrix.designs.interface import Assignment, Design

DESIGNS: dict[str, Design] = {"full": FullDesign()}
"""By the name in ``[run] design``."""

__all__ = ["DESIGNS", "Assignment", "Design"]
