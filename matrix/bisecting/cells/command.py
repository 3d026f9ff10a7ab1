"""A command of the person's own, whose ``{placeholders}`` and environment variables are varied."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from matrix.bisecting.cells.interface import Levels, Order, level_of, pairs_of, said
from matrix.bisecting.subject import PYTHON_WORD, words_of
from matrix.errors import MatrixError
from matrix.plan.cells import NO_REMEDY, REMEDY
from matrix.plan.kinds import UNSET, Kind, Placeholder, Remedies, Variable
from matrix.plan.parameters import Level, as_word
from matrix.plan.templates import TemplateError, finish, placeholders
from probes import remedies

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*", re.ASCII)


@dataclass(frozen=True)
class CommandCells:
    """Its Python is the one that the command names, else the one in the search path; nothing is installed."""

    command: tuple[str, ...]

    @property
    def about(self) -> Mapping[str, Any]:
        """See :class:`Cells`."""
        return {"python": str(self.python), "words": list(self._words)}

    @property
    def ordinary(self) -> Levels:
        """See :class:`Cells`: nothing is known of a placeholder that is not told."""
        return {}

    @cached_property
    def python(self) -> Path:
        """:raises MatrixError: there is none."""
        named = self.command[0] if self.command and PYTHON_WORD.fullmatch(self.command[0]) else "python"
        found = shutil.which(named)
        if found is None:
            raise MatrixError(f"{named}: no such Python; name one before the script: -- python3 train.py …")
        return Path(found).absolute()

    @cached_property
    def _words(self) -> tuple[str, ...]:
        return words_of(self.command)

    @cached_property
    def _names(self) -> Sequence[str]:
        found: dict[str, None] = {}
        for word in self._words[1:]:
            try:
                found.update(dict.fromkeys(placeholders(word)))
            except TemplateError as error:
                raise MatrixError(f"--: {error}") from None
        return tuple(found)

    def read(self, option: str, text: str) -> dict[str, Level]:
        """See :class:`Cells`."""
        levels: dict[str, Level] = {}
        for name, level in pairs_of(option, text):
            levels[name] = level_of(option, name, self._kind(option, name), level)
        for name in self._names:
            if name not in levels:
                raise MatrixError(f"{option}: {{{name}}} of the command has no level; write {name}=…")
        return levels

    def _kind(self, option: str, name: str) -> Kind:
        if name in self._names:
            return Placeholder(name)
        if name == REMEDY:
            return Remedies()
        if _VARIABLE.fullmatch(name):
            return Variable(name)
        known = ", ".join([*self._names, REMEDY])
        raise MatrixError(
            f"{option}: {name}: the command has no {{{name}}} that could be told of it; there are {known} and "
            "environment variables in capitals"
        )

    def refused(self, levels: Levels) -> str | None:
        """See :class:`Cells`."""
        return None

    def order(self, levels: Levels) -> Order:
        """See :class:`Cells`."""
        told = {name: as_word(levels[name]) for name in self._names}
        first, *others = self._words
        environ = {
            name: None if level is UNSET else str(level)
            for name, level in levels.items()
            if name not in self._names and name != REMEDY
        }
        remedy = str(levels.get(REMEDY, NO_REMEDY))
        chosen = () if remedy == NO_REMEDY else remedies.choose_all(remedy.split(","))
        return Order((first, *(finish(word, told) for word in others)), environ, chosen)

    def said(self, name: str, level: Level) -> str:
        """See :class:`Cells`."""
        return said(name, level, variable=name not in self._names)

    def choices(self, name: str) -> tuple[Level, ...]:
        """See :class:`Cells`."""
        return (NO_REMEDY,) if name == REMEDY else (UNSET,) if name not in self._names else ()

    def __str__(self) -> str:
        return shlex.join(self.command)
