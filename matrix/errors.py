"""The one error that a person can do something about."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_ALIKE = 0.5
"""How alike (0 to 1) a name must be to be suggested; low enough for ``v4`` to suggest ``v3``."""


class MatrixError(Exception):
    """
    Bad input or a missing tool. The message is one line, names the thing and the way out, and is ready to print.

    A command that meets it ends with exit code 2.
    """

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
