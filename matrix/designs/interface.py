"""What a design is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

from matrix.plan.parameters import Level

Assignment = Mapping[str, Level]
"""One level for each factor."""
Allowed: TypeAlias = Callable[[Assignment], bool]
"""
Whether an assignment may be tried.

It may be asked about part of an assignment, and says no to that only if no whole one that contains it is allowed.
:meth:`matrix.plan.constraints.Constraint.holds` is like that.
"""


def always(assignment: Assignment) -> bool:
    """Allows everything."""
    return True


class Design(Protocol):
    """Chooses combinations. Pure: the same factors give the same assignments in the same order."""

    def assignments(self, factors: Mapping[str, Sequence[Level]], allowed: Allowed = always) -> Iterator[Assignment]:
        """
        Yields each chosen combination once, and only such as are allowed.

        :param factors: name to distinct levels, at least one each; the first level is the ordinary one.
        """
        ...
