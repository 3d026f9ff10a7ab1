"""What a cell runs, and how it is told its levels: FreezeLab's own training program, or a script of the user's."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from matrix.errors import expected_one_of
from matrix.plan.cells import SEED, THREADS
from matrix.plan.kinds import Kind, Kinds, Placeholder
from matrix.plan.parameters import Level, Parameter, as_word
from matrix.plan.tables import Table
from matrix.plan.templates import TemplateError, fill, placeholders

COMMAND, PATH, ENVIRON = "command", "path", "environ"
SETTINGS = (COMMAND, PATH, ENVIRON)
"""Keys of ``[training]`` that are about the program itself, and no level of it."""
PYTHONPATH = "PYTHONPATH"


class Program(Protocol):
    """What is run in each cell."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """What it can be told, by name."""
        ...

    @property
    def defaults(self) -> Mapping[str, Level]:
        """What it does where it is told nothing."""
        ...

    def arguments(self, levels: Mapping[str, Level]) -> tuple[str, ...]:
        """The levels in words, see :attr:`matrix.plan.cells.Cell.arguments`."""
        ...

    def command(self, levels: Mapping[str, Level]) -> tuple[str, ...] | None:
        """See :attr:`matrix.plan.cells.Cell.command`."""
        ...


class OwnProgram:
    """The training program that ships with FreezeLab; the sweep sets its seed and its threads."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        self._parameters = {name: one for name, one in parameters.items() if name not in (SEED, THREADS)}
        self._words: dict[tuple[str, type, Level], tuple[str, ...]] = {}

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See :class:`Program`."""
        return self._parameters

    @property
    def defaults(self) -> Mapping[str, Level]:
        """See :class:`Program`."""
        return {name: parameter.default for name, parameter in self._parameters.items()}

    def arguments(self, levels: Mapping[str, Level]) -> tuple[str, ...]:
        """See :class:`Program`."""
        # A sweep of 100,000 cells says the same few things over and over.
        keys = [(name, type(levels[name]), levels[name]) for name in self._parameters]
        for key in keys:
            if key not in self._words:
                self._words[key] = self._parameters[key[0]].arguments(key[2])
        return tuple(itertools.chain.from_iterable(map(self._words.__getitem__, keys)))

    def command(self, levels: Mapping[str, Level]) -> tuple[str, ...] | None:
        """See :class:`Program`."""
        return None


@dataclass(frozen=True)
class Script:
    """A program of the user's: words with ``{placeholders}``, which are what can be varied."""

    words: tuple[str, ...]
    """Behind the interpreter; the script's own path is absolute."""
    names: frozenset[str]

    @property
    def defaults(self) -> Mapping[str, Level]:
        """See :class:`Program`."""
        return {}

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See :class:`Program`."""
        return {name: Placeholder(name) for name in self.names - {SEED, THREADS}}

    def arguments(self, levels: Mapping[str, Level]) -> tuple[str, ...]:
        """See :class:`Program`."""
        return ()

    def command(self, levels: Mapping[str, Level]) -> tuple[str, ...] | None:
        """See :class:`Program`."""
        told = {name: as_word(levels[name]) for name in self.names if name in levels and name != THREADS}
        return tuple(fill(word, told) for word in self.words)


def read_program(training: Table, parameters: Mapping[str, Parameter]) -> Program:
    """
    The program that ``[training]`` names.

    :raises MatrixError: the command is no list of words, its script is missing, or a placeholder is none.
    """
    if COMMAND not in training.values:
        return OwnProgram(parameters)
    words = training.texts(COMMAND)
    if any("\0" in word for word in words):
        training.fail(COMMAND, "a word of a command can't hold a null character")
    names: set[str] = set()
    for word in words:
        try:
            names.update(placeholders(word))
        except TemplateError as error:
            training.fail(COMMAND, str(error))
    if words[0] == "-m":
        if len(words) == 1 or not words[1].replace(".", "").isidentifier():
            training.fail(COMMAND, 'a module\'s name is to follow "-m"; write ["-m", "mypackage.train", …]')
        return Script(words, frozenset(names))
    script = _folder(training) / words[0]
    if not _is_there(script, Path.is_file):
        training.fail(
            COMMAND,
            f"{words[0]!r} is no file beside {training.file.name}; the first word is a Python script, or -m for a "
            "module; the interpreter is the cell's own and not named",
        )
    # Braces of the path are no placeholders.
    absolute = str(script).replace("{", "{{").replace("}", "}}")
    return Script((absolute, *words[1:]), frozenset(names))


def check_placeholders(training: Table, program: Program, known: Kinds) -> None:
    """
    Makes sure that each placeholder gets a value.

    :param known: everything that has a level in each cell.
    :raises MatrixError: one has none.
    """
    if not isinstance(program, Script):
        return
    for name in sorted(program.names - {SEED, THREADS} - set(known)):
        training.fail(
            COMMAND,
            f"nothing says what {{{name}}} is; list its levels in [factors] {name} = […], or give it one value in "
            f"[training]; {expected_one_of(name, {*known, SEED, THREADS})}",
        )


def import_path(training: Table) -> str | None:
    """
    ``[training] path`` as ``PYTHONPATH``: folders beside the sweep's file that hold the user's own modules.

    :raises MatrixError: one is missing.
    """
    if PATH not in training.values:
        return None
    given = training.values[PATH]
    listed = training.texts(PATH) if isinstance(given, list) else (training.text(PATH),)
    folders = []
    for name in listed:
        folder = _folder(training) / name
        if not _is_there(folder, Path.is_dir):
            training.fail(PATH, f"{name!r} is no folder beside {training.file.name}; name the one that holds modules")
        folders.append(str(folder))
    return os.pathsep.join(folders)


def _folder(training: Table) -> Path:
    """What names of files are relative to."""
    return training.file.absolute().parent


def _is_there(path: Path, test: Callable[[Path], bool]) -> bool:
    """False for what can be the name of no file, too."""
    try:
        return test(path)
    except (OSError, ValueError):
        return False
