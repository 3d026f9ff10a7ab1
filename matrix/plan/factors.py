"""``[factors]``, ``[training]`` and ``[versions]``: what is varied, what stays, and everything that could be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from matrix.plan.cells import PYTHON, REMEDY, SEED, THREADS, VERSIONS
from matrix.plan.kinds import (
    Kind,
    Kinds,
    LibrarySet,
    Package,
    PythonVersion,
    Remedies,
    Threads,
    Variable,
    read_level,
)
from matrix.plan.libraries import OUR_PYTHON, Described, check_sets, read_sets
from matrix.plan.parameters import Level, Parameter
from matrix.plan.programs import (
    ENVIRON,
    PYTHONPATH,
    SETTINGS,
    Program,
    Script,
    check_placeholders,
    read_program,
)
from matrix.plan.releases import Releases
from matrix.plan.tables import Table

PACKAGES = "packages"

Factors = Mapping[str, tuple[Level, ...]]
"""Name to distinct levels, at least one each; the first is the ordinary one."""


@dataclass
class FactorsFile:
    """
    Everything that has a level. Each part is read when it is first asked for, and checked against those before it.

    All of its properties raise :class:`matrix.errors.MatrixError` for what is not right in the file.
    """

    document: Table
    parameters: Mapping[str, Parameter]
    releases: Releases

    @cached_property
    def program(self) -> Program:
        """What is run."""
        return read_program(self._training, self.parameters)

    @cached_property
    def packages(self) -> tuple[str, ...]:
        """Factors whose levels are releases of the package of that name."""
        table = self._listed.table(PACKAGES)
        for name in table.values:
            if not (name.isascii() and canonicalize_name(name).replace("-", "").isalnum()):
                table.fail(name, "no name of a package; write it as for pip, without a version")
        return tuple(table.values)

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Factors, and fixed levels, that are environment variables."""
        tables = (self._listed.table(ENVIRON), self._training.table(ENVIRON))
        for table in tables:
            for name in table.values:
                if not (name.isascii() and name.isidentifier()):
                    table.fail(name, "no name of an environment variable, such as OMP_NUM_THREADS")
                if name == PYTHONPATH:
                    table.fail(name, 'where modules are found is said by [training] path = "src"')
        return tuple(dict.fromkeys(name for table in tables for name in table.values))

    @cached_property
    def sets(self) -> Mapping[str, Described]:
        """The library sets that are described."""
        sets = read_sets(self.document, packages=bool(self.packages))
        if not sets and not self.packages:
            self.document.fail(
                VERSIONS,
                'no library set is described; add [versions.NAME] with requirements = ["torch==2.13.0", …]',
            )
        return sets

    @cached_property
    def kinds(self) -> Kinds:
        """Everything that can have a level, by name: all share one name space, in constraints and in reports."""
        kinds: dict[str, Kind] = {
            **self.program.kinds,
            VERSIONS: LibrarySet(self.sets),
            PYTHON: PythonVersion(),
            REMEDY: Remedies(),
            THREADS: Threads(),
        }
        added: list[tuple[str, str, Kind]] = [(PACKAGES, name, Package(name)) for name in self.packages]
        added += [(ENVIRON, name, Variable(name)) for name in self.variables]
        for where, name, kind in added:
            if name in kinds or name == SEED:
                self._listed.table(where).fail(name, "means something else already; rename that, or drop this")
            kinds[name] = kind
        return kinds

    @cached_property
    def factors(self) -> Factors:
        """The design's factors, in the order of the file."""
        factors: dict[str, tuple[Level, ...]] = {}
        for name, listed in self._listed.values.items():
            if name == ENVIRON:
                table = self._listed.table(ENVIRON)
                factors.update({one: self._levels(table, one, levels) for one, levels in table.values.items()})
            elif name == PACKAGES:
                factors.update(dict.fromkeys(self.packages, ()))  # which releases exist hangs on the other factors
            else:
                factors[name] = self._levels(self._listed, name, listed)
        if VERSIONS not in factors and len(self.sets) > 1:
            self._listed.fail(VERSIONS, f"missing; list the library sets to use, of {', '.join(self.sets)}")
        python = PYTHON in factors or PYTHON in self._training.values
        check_sets(self.sets, self._sets_in_use(factors), self.packages, python=python)
        for name in self.packages:
            factors[name] = self._releases(self._listed.table(PACKAGES), name, factors)
        return factors

    @cached_property
    def fixed(self) -> Mapping[str, Level]:
        """What is the same in every cell."""
        fixed: dict[str, Level] = {}
        if VERSIONS not in self.factors and self.sets:
            fixed[VERSIONS] = next(iter(self.sets))
        for name, value in self._training.values.items():
            if name == VERSIONS:
                self._training.fail(name, "a library set is a factor; list it in [factors] versions")
            if name == THREADS:
                self._training.fail(name, "the sweep sets it; use [run] threads_per_cell")
            if name not in SETTINGS:
                fixed[name] = self._fixed(self._training, name, value)
        environ = self._training.table(ENVIRON)
        fixed.update({name: self._fixed(environ, name, value) for name, value in environ.values.items()})
        known = {name: kind for name, kind in self.kinds.items() if name in self.factors or name in fixed}
        check_placeholders(self._training, self.program, known)
        return fixed

    @property
    def _listed(self) -> Table:
        return self.document.table("factors")

    @property
    def _training(self) -> Table:
        return self.document.table("training")

    def _fixed(self, table: Table, name: str, value: object) -> Level:
        if name in self.factors:
            table.fail(name, f"also a factor; keep it in [factors] or in [{table.where}], not in both")
        return self.level(table, name, value)

    def _levels(self, table: Table, name: str, listed: object) -> tuple[Level, ...]:
        levels = tuple(self.level(table, name, level) for level in _members(table, name, listed))
        for at, level in enumerate(levels):
            if any(type(level) is type(one) and level == one for one in levels[:at]):
                table.fail(name, f"{level!r} is listed twice; list each level once")
        return levels

    def level(self, table: Table, name: str, value: object) -> Level:
        """
        The level in canonical form.

        :raises MatrixError: nothing of that name can be varied, or this is no level of it.
        """
        if isinstance(self.program, Script) and name not in self.kinds and name != SEED:
            table.fail(name, f"training.command has no {{{name}}} that could be told of it; add it there, or drop this")
        return read_level(self.kinds, table, name, value)

    def _sets_in_use(self, factors: Factors) -> list[str]:
        return [str(level) for level in factors.get(VERSIONS, tuple(self.sets))]

    def _releases(self, table: Table, name: str, factors: Factors) -> tuple[Level, ...]:
        """The releases of a package, each once: ranges may overlap."""

        def existing(wanted: SpecifierSet) -> tuple[str, ...]:
            return self.releases(name, wanted, self._pythons(factors), self._newest(factors))

        levels: dict[Version, Level] = {}
        alone: set[Version] = set()
        for listed in _members(table, name, table.values[name]):
            try:
                found = Package(name).levels(listed, existing)
            except ValueError as error:
                table.fail(name, str(error))
            for level in found:
                levels.setdefault(Version(str(level)), level)
            if found == (listed,):
                if Version(str(listed)) in alone:
                    table.fail(name, f"{listed!r} is listed twice; list each release once")
                alone.add(Version(str(listed)))
        return tuple(levels.values())

    def _pythons(self, factors: Factors) -> list[str]:
        """Every version of Python that some cell has."""
        if PYTHON in factors:
            return [str(level) for level in factors[PYTHON]]
        if PYTHON in self._training.values:
            return [str(self.level(self._training, PYTHON, self._training.values[PYTHON]))]
        used = [self.sets[name].python or OUR_PYTHON for name in self._sets_in_use(factors)]
        return list(dict.fromkeys(used)) or [OUR_PYTHON]

    def _newest(self, factors: Factors) -> str | None:
        """The latest date that some cell may take releases of; None if one may take any."""
        dates: list[str] = []
        for name in self._sets_in_use(factors):
            date = self.sets[name].exclude_newer
            if date is None:
                return None
            dates.append(date)
        return max(dates, default=None)


def _members(table: Table, name: str, listed: object) -> Sequence[object]:
    if not isinstance(listed, list) or not listed:
        table.fail(name, f"expected a list of levels, found {listed!r}; write {name} = [level, level]")
    return listed
