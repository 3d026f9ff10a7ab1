"""What a cell is to a search, and how it is written: ``env=v3 n_steps=256 OMP_NUM_THREADS=unset``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from matrix.errors import MatrixError
from matrix.plan.cells import VersionSet
from matrix.plan.kinds import UNSET, Kind, Variable
from matrix.plan.parameters import Level, as_word
from probes import remedies

Levels = Mapping[str, Level]
_UNSET = "unset"


@dataclass(frozen=True)
class Order:
    """How a cell is run."""

    words: tuple[str, ...]
    """Behind the interpreter."""
    environ: Mapping[str, str | None] = field(default_factory=dict)
    remedies: tuple[remedies.Choice, ...] = ()
    versions: VersionSet | None = None
    """None: with the interpreter that the person named."""


class Cells(Protocol):
    """Everything that can have a level, for one program."""

    @property
    def about(self) -> Mapping[str, Any]:
        """All of it that decides what a run would show, as JSON has it."""
        ...

    @property
    def python(self) -> Path:
        """The interpreter of an order without library set."""
        ...

    @property
    def ordinary(self) -> Levels:
        """Levels that are not told; both cells of a search have all of them."""
        ...

    def read(self, option: str, text: str) -> dict[str, Level]:
        """
        What a person tells of a cell, over the ordinary levels.

        :param option: for the message.
        :raises MatrixError: nothing of that name can be varied, or that is no level of it.
        """
        ...

    def refused(self, levels: Levels) -> str | None:
        """Why there is no such cell; None if there is."""
        ...

    def order(self, levels: Levels) -> Order:
        """How it is run."""
        ...

    def said(self, name: str, level: Level) -> str:
        """``name=level`` as a person would write it."""
        ...

    def choices(self, name: str) -> tuple[Level, ...]:
        """The simplest level first, as far as that is known; empty if it is not."""
        ...


def pairs_of(option: str, text: str) -> Iterator[tuple[str, str]]:
    """
    The names and levels in a cell's text.

    :raises MatrixError: it is none.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise MatrixError(f"{option}: {text!r} can't be read ({error}); write it as: env=v3 n_steps=256") from None
    seen: set[str] = set()
    for word in words:
        name, equals, level = word.partition("=")
        if not (name and equals):
            raise MatrixError(
                f"{option}: {word!r} is no level of a factor; write name=level, as in: env=v3 n_steps=256"
            )
        if name in seen:
            raise MatrixError(f"{option}: {name} has two levels; name one")
        seen.add(name)
        yield name, level


def level_of(option: str, name: str, kind: Kind, text: str) -> Level:
    """
    A level in canonical form, from its text.

    :raises MatrixError: it is none.
    """
    if isinstance(kind, Variable):
        return UNSET if text == _UNSET else kind.level(text)
    for value in (parsed(text), text):
        try:
            return kind.level(value)
        except ValueError as error:
            refused = error
    raise MatrixError(f"{option}: {name}: {refused}")


def parsed(text: str) -> Level:
    """A number, true or false where the text is one."""
    if text in ("true", "false"):
        return text == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def said(name: str, level: Level, *, variable: bool) -> str:
    """``name=level``, quoted for a shell where that is needed."""
    return shlex.quote(f"{name}={_UNSET if variable and level is UNSET else as_word(level)}")
