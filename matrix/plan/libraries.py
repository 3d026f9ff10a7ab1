"""The libraries of a cell: named sets, lists of releases per package, whole lock files, versions of Python."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from matrix.plan.cells import PYTHON, VERSIONS, VersionSet
from matrix.plan.lock_files import LockFileError, read_lock
from matrix.plan.parameters import Level
from matrix.plan.tables import Table

OUR_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_TORCH_BACKEND = re.compile(r"auto|cpu|xpu|cu[0-9]{2,3}|rocm[0-9]+(\.[0-9]+)*")
"""What uv's ``--torch-backend`` may be, now and as far as its names go on as they are."""


@dataclass(frozen=True)
class Described:
    """A library set as the file describes it."""

    table: Table
    requirements: tuple[str, ...] = ()
    python: str | None = None
    exclude_newer: str | None = None
    lock: str | None = None
    torch_backend: str | None = None

    @property
    def packages(self) -> frozenset[str]:
        """Canonical names of what it asks for by name."""
        return frozenset(canonicalize_name(Requirement(one).name) for one in self.requirements)


_NOTHING = Described(Table(Path(), "", {}))
"""For cells whose libraries are all listed package by package."""


def read_sets(document: Table, *, packages: bool) -> dict[str, Described]:
    """
    The sets below ``[versions]``, by name.

    :param packages: whether releases of packages are listed, so that a set may name nothing itself.
    :raises MatrixError: one is not right.
    """
    tables = document.table(VERSIONS)
    return {name: _described(tables.table(name), needed=not packages) for name in tables.values}


def _described(table: Table, *, needed: bool) -> Described:
    table.allow_only(("requirements", "python", "exclude-newer", "lock", "torch-backend"))
    python, exclude_newer, torch_backend = (
        table.text(key) if key in table.values else None for key in ("python", "exclude-newer", "torch-backend")
    )
    if torch_backend is not None and not _TORCH_BACKEND.fullmatch(torch_backend):
        table.fail("torch-backend", f'{torch_backend!r} is none of PyTorch\'s; write "cpu", "cu126" or "auto", say')
    if "lock" in table.values:
        for other in ("requirements", "exclude-newer"):
            if other in table.values:
                table.fail(other, "a lock file says all of it already; drop this, or the lock")
        return Described(table, python=python, lock=_lock(table), torch_backend=torch_backend)
    requirements = table.texts("requirements") if needed or "requirements" in table.values else ()
    for requirement in requirements:
        try:
            Requirement(requirement)
        except InvalidRequirement:
            table.fail("requirements", f'{requirement!r} is no requirement; write it as for pip, "torch==2.13.0"')
    return Described(table, requirements, python, exclude_newer, torch_backend=torch_backend)


def _lock(table: Table) -> str:
    path = table.file.absolute().parent / table.text("lock").replace("\0", "")
    try:
        return read_lock(path.read_text(encoding="utf-8"))
    except OSError as error:
        table.fail("lock", f"{table.text('lock')!r} can't be read: {error.strerror}; name a requirements file")
    except UnicodeDecodeError:
        table.fail("lock", f"{table.text('lock')!r} is not UTF-8 text; name a requirements file")
    except LockFileError as error:
        table.fail("lock", f"{table.text('lock')!r}: {error}")


@dataclass
class Libraries:
    """Makes the library set of a cell from its levels; the same object for the same levels."""

    sets: Mapping[str, Described]
    packages: Sequence[str]
    """Factors whose levels are releases."""
    _made: dict[tuple[Any, ...], VersionSet] = field(default_factory=dict)

    def of(self, levels: Mapping[str, Level]) -> VersionSet:
        """
        The libraries of a cell.

        :param levels: of a whole cell.
        """
        key = (levels.get(VERSIONS), levels.get(PYTHON), *(levels[name] for name in self.packages))
        if key not in self._made:
            self._made[key] = self._make(levels)
        return self._made[key]

    def _make(self, levels: Mapping[str, Level]) -> VersionSet:
        name = levels.get(VERSIONS)
        described = self.sets.get(str(name)) or _NOTHING
        python = levels.get(PYTHON)
        releases = tuple(f"{package}=={levels[package]}" for package in self.packages)
        parts = [str(name)] if name is not None else []
        parts += [f"{package}={levels[package]}" for package in self.packages]
        parts += [f"{PYTHON}={python}"] if python is not None else []
        return VersionSet(
            name=" ".join(parts),
            requirements=(*described.requirements, *releases),
            python=str(python or described.python or OUR_PYTHON),
            exclude_newer=described.exclude_newer,
            lock=described.lock,
            torch_backend=described.torch_backend,
        )


def check_sets(sets: Mapping[str, Described], used: Sequence[str], packages: Sequence[str], *, python: bool) -> None:
    """
    Makes sure that nothing is said twice, of the sets that are ``used``.

    :param packages: names of the packages that are factors.
    :param python: whether the version of Python is given elsewhere.
    :raises MatrixError: a set and a factor both speak of one thing, or two sets ask for the same.
    """
    seen: dict[str, str] = {}
    for name in used:
        one = sets[name]
        if python and one.python is not None:
            one.table.fail(PYTHON, "also a factor; keep it in [factors] or with the set, not in both")
        if packages and one.lock is not None:
            one.table.fail("lock", f"a whole environment; it can't be combined with releases of {packages[0]}")
        for package in packages:
            if canonicalize_name(package) in one.packages:
                one.table.fail("requirements", f"{package} is also a factor; keep it in [factors] or here, not in both")
        versions = VersionSet(
            "", one.requirements, one.python or OUR_PYTHON, one.exclude_newer, one.lock, one.torch_backend
        )
        twin = seen.setdefault(versions.id, name)
        if twin != name:
            key = "lock" if one.lock is not None else "requirements"
            one.table.fail(key, f"the same as those of {twin!r}, and the same cells would run twice; drop one set")
