"""From levels to cells. Cells of one plan share whatever is the same in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from matrix.plan.cells import Cell
from matrix.plan.kinds import UNSET
from matrix.plan.libraries import Libraries
from matrix.plan.parameters import Level, as_word
from matrix.plan.programs import PYTHONPATH, Program


@dataclass
class CellMaker:
    """Makes the cells of a plan."""

    program: Program
    libraries: Libraries
    variables: Sequence[str]
    """Names of levels that are environment variables."""
    import_path: str | None = None
    """``PYTHONPATH`` of every cell."""
    _environs: dict[tuple[Level, ...], Mapping[str, str | None]] = field(default_factory=dict)
    _said: dict[tuple[str, type, Level], str] = field(default_factory=dict)

    def __call__(self, levels: Mapping[str, Level], told: Mapping[str, Level], why: str | None) -> Cell:
        """
        Makes a cell.

        :param levels: everything that determines it.
        :param told: those of them that tell it from the others.
        :param why: see :attr:`matrix.plan.cells.Cell.why`.
        """
        return Cell(
            levels=levels,
            versions=self.libraries.of(levels),
            arguments=self.program.arguments(levels),
            label=" ".join([self._say(name, level) for name, level in told.items()]) or "ordinary",
            why=why,
            environ=self._environ(levels),
            command=self.program.command(levels),
        )

    def _say(self, name: str, level: Level) -> str:
        key = (name, type(level), level)
        if key not in self._said:
            unset = name in self.variables and level is UNSET
            self._said[key] = f"{name}={'unset' if unset else as_word(level)}"
        return self._said[key]

    def _environ(self, levels: Mapping[str, Level]) -> Mapping[str, str | None]:
        values = tuple(levels[name] for name in self.variables)
        if values not in self._environs:
            environ = {} if self.import_path is None else {PYTHONPATH: self.import_path}
            told = {
                name: None if level is UNSET else str(level) for name, level in zip(self.variables, values, strict=True)
            }
            self._environs[values] = {**environ, **told}
        return self._environs[values]
