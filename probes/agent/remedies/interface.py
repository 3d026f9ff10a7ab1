"""What a remedy is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Patch = Callable[[Any], None]


class DoesNotFitError(Exception):
    """What is to be changed is not what the remedy knows; the text says what is different."""


@dataclass(frozen=True)
class Parameter:
    """The value of a remedy, given as ``ID=VALUE``."""

    name: str
    """``N``, as in ``threads=N``."""
    means: str
    check: Callable[[str], str]
    """Gives the canonical spelling; raises ``ValueError`` with a text that says what would be right."""
    default: str | None = None
    """None if it must be given, or has to be found out: see ``found``."""
    found: str | None = None
    """Where the default comes from if it depends on the machine."""


@dataclass(frozen=True)
class Remedy:
    """A change to a training run."""

    id: str
    changes: str
    """What is different in the run, as a clause: no capital, no full stop."""
    results: str
    """That results stay the same, and what proves it; or how they differ. Whole sentences."""
    patches: Callable[[str], dict[str, Patch]]
    """From its value (empty if it has none): module name to what is done to it once it is imported."""
    begin: Callable[[str], None] | None = None
    """Called with its value when the process starts."""
    parameter: Parameter | None = None
    cures: tuple[str, ...] = ()
    """Ids of the known causes that it removes."""


def whole_number(text: str) -> str:
    """:raises ValueError: ``text`` is no whole number above 0."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r} is not a positive whole number, such as 2")
    return str(int(text))
