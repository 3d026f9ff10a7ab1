"""Every level with every other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from matrix.designs.interface import Allowed, Assignment, always
from matrix.plan.parameters import Level


class FullDesign:
    """The Cartesian product, drawn up as it is asked for; the last factor changes fastest."""

    def assignments(self, factors: Mapping[str, Sequence[Level]], allowed: Allowed = always) -> Iterator[Assignment]:
        """See :meth:`matrix.designs.interface.Design.assignments`."""
        names = tuple(factors)
        every = (dict(zip(names, levels)) for levels in itertools.product(*factors.values()))  # noqa: B905 - its speed
        return every if allowed is always else filter(allowed, every)
