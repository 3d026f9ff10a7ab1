"""The error of bad input to a sweep or a bisection, and how the way out is worded."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from probes.errors import InputError

_ALIKE = 0.5
"""How alike (0 to 1) a name must be to be suggested; low enough for ``v4`` to suggest ``v3``."""


class MatrixError(InputError):
    """What a sweep or a bisection can't be done with."""

    def __init__(self, message: str) -> None:
        """
        :param message: line breaks in it, which names from a file may hold, are written as such.
        """
        super().__init__("\\n".join(message.splitlines()))


def expected_one_of(value: object, known: Iterable[str]) -> str:
    """Words the way out of a misspelt name: ``did you mean 'v3'? Known: dummy, original, v3``."""
    names = sorted(known)
    close = difflib.get_close_matches(str(value), names, n=1, cutoff=_ALIKE)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names)}" if names else f"{hint}none is known"
