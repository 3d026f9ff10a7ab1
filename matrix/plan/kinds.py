"""Kinds of factors, and what the levels of each may be. Those of the training program are in ``parameters``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from matrix.errors import expected_one_of
from matrix.plan.cells import NO_REMEDY, SEED
from matrix.plan.parameters import Level
from matrix.plan.tables import Table
from probes import remedies

UNSET = False
"""The level of an environment variable that is taken away."""
_PYTHON = re.compile(r"(pypy|cpython|python)?\d+(\.\d+){1,2}(rc\d+|[ab]\d+)?t?")
_SPECIFIER = re.compile(r"[<>=!~*,]")


class Kind(Protocol):
    """Says what a level may be."""

    def level(self, value: object) -> Level:
        """
        The canonical form of ``value``, so that two ways to write the same level are the same level.

        :raises ValueError: it is none; the message says why and what would be right.
        """
        ...


Kinds = Mapping[str, Kind]
"""By name of the factor."""


@dataclass(frozen=True)
class LibrarySet:
    """Names of library sets."""

    described: Collection[str]

    def level(self, value: object) -> Level:
        """See :class:`Kind`."""
        if not isinstance(value, str) or value not in self.described:
            raise ValueError(f"no library set {value!r} is described; {expected_one_of(value, self.described)}")
        return value


class PythonVersion:
    """Versions of Python, as uv takes them."""

    def level(self, value: object) -> Level:
        """See :class:`Kind`."""
        if isinstance(value, str) and _PYTHON.fullmatch(value):
            return value
        hint = "; a number without quotes loses its zeros" if isinstance(value, float) else ""
        raise ValueError(f'{value!r} is no version of Python{hint}; write it in quotes, such as "3.11"')


class Remedies:
    """``none``, or remedies as for ``freezelab run --remedy``, with commas between them."""

    def level(self, value: object) -> Level:
        """See :class:`Kind`."""
        if not isinstance(value, str):
            raise ValueError(f'{value!r} is no remedy; write "{NO_REMEDY}" or an id such as "fused-lstm"')
        if value == NO_REMEDY:
            return value
        try:
            return ",".join(map(str, remedies.choose_all(value.split(","))))
        except remedies.UnknownRemedyError as error:
            raise ValueError(f'{error}; "{NO_REMEDY}" is the run as it is') from error


class Threads:
    """Threads, and cores, of a trial."""

    def level(self, value: object) -> Level:
        """See :class:`Kind`."""
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"expected whole numbers from 1, found {value!r}")
        return value


@dataclass(frozen=True)
class Package:
    """Releases of one package."""

    name: str

    def level(self, value: object) -> Level:
        """See :class:`Kind`; one release."""
        try:
            if isinstance(value, str):
                Version(value)
                return value
        except InvalidVersion:
            pass
        raise ValueError(f'{value!r} is no release of {self.name}; write it in quotes, such as "2.5.1"')

    def levels(self, value: object, existing: Callable[[SpecifierSet], tuple[str, ...]]) -> tuple[Level, ...]:
        """
        One release as it is written, or all those in a range such as ``>=2.7,<2.9``.

        :raises ValueError: it is neither; or what ``existing`` raises.
        """
        if not isinstance(value, str) or not _SPECIFIER.search(value):
            return (self.level(value),)
        if value.strip() == "*":
            return existing(SpecifierSet())
        try:
            wanted = SpecifierSet(value)
        except InvalidSpecifier:
            raise ValueError(
                f'{value!r} is neither a release nor a range of {self.name}; write "2.5.1" or ">=2.7,<2.9"'
            ) from None
        only = next(iter(wanted)) if len(wanted) == 1 else None
        if only is not None and only.operator in ("==", "===") and not only.version.endswith(".*"):
            return (only.version,)
        try:
            return existing(wanted)
        except ValueError as error:
            raise ValueError(f"{value!r}: {error}") from error


@dataclass(frozen=True)
class Variable:
    """Values of an environment variable."""

    name: str

    def level(self, value: object) -> Level:
        """See :class:`Kind`."""
        if value is UNSET:
            return UNSET
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError(f'{value!r} is no value of a variable; write a text such as "1", or false for "not set"')
        if "\0" in str(value):
            raise ValueError("a variable can't hold a null character")
        return str(value)


@dataclass(frozen=True)
class Placeholder:
    """Whatever a user's script is told in place of ``{name}``."""

    name: str

    def level(self, value: object) -> Level:
        """See :class:`Kind`."""
        if isinstance(value, (str, int, float)):
            if "\0" in str(value):
                raise ValueError("a word of a command can't hold a null character")
            return value
        raise ValueError(f"{value!r} is no single value; write a text, a number, true or false")


def read_level(kinds: Kinds, table: Table, name: str, value: object) -> Level:
    """
    The level in canonical form.

    :raises MatrixError: nothing of that name can be varied, or this is no level of it.
    """
    if name == SEED and name not in kinds:
        table.fail(name, "the sweep sets it; use [run] seeds")
    if name not in kinds:
        table.fail(name, f"unknown factor {name!r}; {expected_one_of(name, kinds)}")
    try:
        return kinds[name].level(value)
    except ValueError as error:
        table.fail(name, str(error))
