"""Every level with every other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from matrix.designs.interface import Assignment
from matrix.plan.parameters import Level


class FullDesign:
    """The Cartesian product; the last factor changes fastest."""

    def assignments(self, factors: Mapping[str, Sequence[Level]]) -> Iterator[Assignment]:
        """See :meth:`matrix.designs.interface.Design.assignments`."""
        for levels in itertools.product(*factors.values()):
            yield dict(zip(factors, levels, strict=True))
