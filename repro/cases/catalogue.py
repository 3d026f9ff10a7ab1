"""
The case catalogue: programs, the truth about each, their twins and variations.

A truth is a TOML file:

==============  ============================================================================
key             meaning
==============  ============================================================================
``family``      the chapter it belongs to, as ``deadlock`` or ``healthy``
``what``        what goes wrong, in one sentence
``reference``   address of a public report, or the source of the mechanism
``verdict``     the true verdict; a list where several are right
``phase``       the phase, or a list; left out where none is right or wrong
``culprit``     the guilty function, or a list of those that are right to name; optional
``cause``       id of the known cause to be named, or a list; left out: none may be named
``limit_s``     seconds after which the run is ended, 40 by default
``limits``      what the run is put under: ``env``, variables of its environment; optional
``[[heal]]``    ``find`` and ``replace``: text replaced to make the healthy twin; none: it has no twin
``[vary]``      name of a constant of the program, assigned at the start of a line, to other values for it
``rename``      identifiers that may have any other name
==============  ============================================================================
"""

from __future__ import annotations

import io
import random
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent
DEFAULT_LIMIT_S = 40.0

_TEXTS = ("family", "what", "reference")
_LISTS = ("verdict", "phase", "culprit", "cause", "rename")
_ALLOWED = {*_TEXTS, *_LISTS, "limit_s", "limits", "heal", "vary"}
_LIMITS = {"env"}


class CatalogueError(ValueError):
    """A truth that can't be read, or does not fit its program."""


@dataclass(frozen=True)
class Case:
    """One program and the truth about it."""

    name: str
    program: str
    family: str
    what: str
    reference: str
    verdicts: tuple[str, ...]
    phases: tuple[str, ...] = ()
    culprits: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    limit_s: float = DEFAULT_LIMIT_S
    limits: Mapping[str, Any] = field(default_factory=dict)
    heal: tuple[tuple[str, str], ...] = ()
    vary: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    rename: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether the program itself has nothing wrong with it."""
        return self.verdicts == ("healthy",)

    def twin(self) -> str:
        """
        The program with the fix, and nothing else changed.

        :raises CatalogueError: it has none.
        """
        if not self.heal:
            raise CatalogueError(f"{self.name}: has no healthy twin")
        text = self.program
        for find, replace in self.heal:
            text = text.replace(find, replace)
        return text

    def varied(self, text: str, seed: int) -> tuple[str, dict[str, str]]:
        """
        The program, or its twin, with other constants and other names.

        :param seed: which variation; 0 leaves the text as it is.
        :return: the text, and each renamed identifier with its new name.
        """
        if seed == 0:
            return text, {}
        draw = random.Random(f"{self.name}-{seed}")  # noqa: S311 - nobody guesses at it
        for constant, values in self.vary.items():
            value = draw.choice(values)
            text = re.sub(rf"(?m)^{constant} = .*$", f"{constant} = {value!r}", text)
        names = {name: _invented(draw) for name in self.rename}
        return _renamed(text, names), names


def load(folder: Path = FOLDER) -> list[Case]:
    """
    All cases, by name.

    :raises CatalogueError: naming file, key and what would be right.
    """
    return [_load_one(path, folder) for path in sorted((folder / "truths").glob("*.toml"))]


def _load_one(path: Path, folder: Path) -> Case:
    try:
        truth = tomllib.loads(path.read_text(encoding="utf-8"))
        program = (folder / "programs" / f"{path.stem}.py").read_text(encoding="utf-8")
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{path}: {error}") from error
    unknown = sorted(truth.keys() - _ALLOWED)
    if unknown:
        raise CatalogueError(f"{path}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_ALLOWED))}")
    for key in (*_TEXTS, "verdict"):
        if not truth.get(key):
            raise CatalogueError(f"{path}: {key} is missing")
    strange = sorted(truth.get("limits", {}).keys() - _LIMITS)
    if strange:
        raise CatalogueError(f"{path}: unknown limit {strange[0]!r}; known are {', '.join(sorted(_LIMITS))}")
    heal = tuple((change["find"], change["replace"]) for change in truth.get("heal", []))
    for find, _ in heal:
        if find not in program:
            raise CatalogueError(f"{path}: heal: {find!r} is not in the program")
    vary = {name: tuple(values) for name, values in truth.get("vary", {}).items()}
    for name in vary:
        if not re.search(rf"(?m)^{name} = ", program):
            raise CatalogueError(f"{path}: vary: the program has no line {name + ' = ...'!r}")
    names = set(_names(program))
    for name in _listed(truth, "rename"):
        if name not in names:
            raise CatalogueError(f"{path}: rename: {name!r} is no name in the program")
    return Case(
        name=path.stem,
        program=program,
        family=truth["family"],
        what=truth["what"],
        reference=truth["reference"],
        verdicts=_listed(truth, "verdict"),
        phases=_listed(truth, "phase"),
        culprits=_listed(truth, "culprit"),
        causes=_listed(truth, "cause"),
        limit_s=float(truth.get("limit_s", DEFAULT_LIMIT_S)),
        limits=truth.get("limits", {}),
        heal=heal,
        vary=vary,
        rename=_listed(truth, "rename"),
    )


def _listed(truth: dict[str, Any], key: str) -> tuple[str, ...]:
    value = truth.get(key, ())
    return (value,) if isinstance(value, str) else tuple(value)


def _names(text: str) -> Iterator[str]:
    return (token.string for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type == 1)


def _renamed(text: str, names: Mapping[str, str]) -> str:
    """``text`` with other identifiers; what stands in a string or comment stays as it is."""
    if not names:
        return text
    lines = text.splitlines(keepends=True)
    tokens = [
        token
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.NAME and token.string in names
    ]
    for token in reversed(tokens):
        row, column = token.start
        line = lines[row - 1]
        lines[row - 1] = line[:column] + names[token.string] + line[token.end[1] :]
    return "".join(lines)


_SYLLABLES = ("ba", "do", "fi", "gu", "ka", "lo", "mi", "nu", "pe", "ra", "so", "ti", "vu", "za")


def _invented(draw: random.Random) -> str:
    """A name that says nothing."""
    return "".join(draw.choices(_SYLLABLES, k=4))
