"""What a design is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from matrix.plan.parameters import Level

Assignment = Mapping[str, Level]
"""One level for each factor."""


class Design(Protocol):
    """Chooses combinations. Pure: the same factors give the same assignments in the same order."""

    def assignments(self, factors: Mapping[str, Sequence[Level]]) -> Iterator[Assignment]:
        """
        Yields each chosen combination once.

        :param factors: name to distinct levels, at least one each; the first level is the ordinary one.
        """
        ...
