"""Designs: which of all combinations of levels are tried. A new kind is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matrix.designs.full import FullDesign
from matrix.designs.interface import Assignment, Design

DESIGNS: Mapping[str, Callable[[int], Design]] = {"full": lambda _: FullDesign()}
"""By the name in ``[run] design``: makes the design, of a strength if it has such a thing."""
DESIGN_NAMES: tuple[str, ...] = tuple(DESIGNS)


def make_design(name: str, strength: int = 2) -> Design:
    """
    The design of this name.

    :param strength: how many factors have all combinations of their levels tried; for "covering" only.
    :raises KeyError: there is no such design.
    """
    return DESIGNS[name](strength)


__all__ = ["DESIGNS", "DESIGN_NAMES", "Assignment", "Design", "make_design"]
