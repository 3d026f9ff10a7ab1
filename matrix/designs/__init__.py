"""Designs: which of all combinations of levels are tried. A new kind is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matrix.designs.full import FullDesign
from matrix.designs.interface import Allowed, Assignment, Design, always
from matrix.designs.one_at_a_time import OneAtATimeDesign


def _covering(strength: int) -> Design:
    # Here, because numpy takes a while to import, and most sweeps do without.
    from matrix.designs.covering import CoveringDesign

    return CoveringDesign(strength)


DESIGNS: Mapping[str, Callable[[int], Design]] = {
    "full": lambda _: FullDesign(),
    "pairwise": lambda _: _covering(2),
    "covering": _covering,
    "one-at-a-time": lambda _: OneAtATimeDesign(),
    # Its candidates; which are tried, and when, is for matrix.designs.adaptive to say, from outcomes.
    "adaptive": lambda _: FullDesign(),
}
"""By the name in ``[run] design``: makes the design, of a strength if it has such a thing."""
DESIGN_NAMES: tuple[str, ...] = tuple(DESIGNS)


def make_design(name: str, strength: int = 2) -> Design:
    """
    The design of this name.

    :param strength: how many factors have all combinations of their levels tried; for "covering" only.
    :raises KeyError: there is no such design.
    :raises ValueError: the strength is below 1.
    """
    return DESIGNS[name](strength)


__all__ = ["DESIGNS", "DESIGN_NAMES", "Allowed", "Assignment", "Design", "always", "make_design"]
