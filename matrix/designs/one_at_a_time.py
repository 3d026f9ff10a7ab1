"""What one change does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from matrix.designs.interface import Allowed, Assignment, always
from matrix.plan.parameters import Level


class OneAtATimeDesign:
    """The ordinary cell, then each of the cells that differ from it in one factor."""

    def assignments(self, factors: Mapping[str, Sequence[Level]], allowed: Allowed = always) -> Iterator[Assignment]:
        """See :meth:`matrix.designs.interface.Design.assignments`."""
        base = {name: levels[0] for name, levels in factors.items()}
        changed = ({**base, name: level} for name, levels in factors.items() for level in levels[1:])
        return filter(allowed, (base, *changed))
