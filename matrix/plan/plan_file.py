"""From ``matrix.toml`` to a plan: every level is checked before the first cell starts."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from matrix.designs import DESIGN_NAMES, make_design
from matrix.errors import expected_one_of
from matrix.plan.cells import NO_REMEDY, REMEDY, VERSIONS, Cell, VersionSet
from matrix.plan.claims import TESTS, Claim
from matrix.plan.parameters import Level, Parameter
from matrix.plan.plan import STOP_ON_FREEZE, TIMINGS, Plan, RunSettings
from matrix.plan.tables import Table, read_document
from probes import remedies
from probes.verdicts import Verdict

SEED = "seed"
THREADS = "threads"
_OWNED = {SEED: "[run] seeds", THREADS: "[run] threads_per_cell"}
"""Parameters that the sweep itself sets, and where."""
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\])?\s*((===|[<>=!~]=|[<>@;]).+)?")
"""A coarse check: uv does the fine one, but only once the sweep has begun."""


def load_plan(path: Path, parameters: Mapping[str, Parameter]) -> Plan:
    """
    Reads and checks a sweep's file.

    :param parameters: what the training program takes, by name.
    :raises MatrixError: the file can't be read, or something in it is not right; the message says what would be.
    """
    return parse_plan(read_document(path), parameters)


def parse_plan(document: Table, parameters: Mapping[str, Parameter]) -> Plan:
    """As :func:`load_plan`, from a document that was read."""
    return _PlanFile(document, parameters).plan()


@dataclass(frozen=True)
class _PlanFile:
    document: Table
    parameters: Mapping[str, Parameter]

    def plan(self) -> Plan:
        self.document.allow_only(("name", "factors", "versions", "training", "extra", "run", "claims"))
        versions = {name: self._version_set(name) for name in self.document.table(VERSIONS).values}
        if not versions:
            self.document.fail(
                VERSIONS,
                'no library set is described; add [versions.NAME] with requirements = ["torch==2.13.0", …]',
            )
        factors = self._factors(versions)
        cells: dict[str, Cell] = {}
        for cell in self._cells(factors, versions):
            cells.setdefault(cell.id, cell)  # an extra cell may be one of the design's
        return Plan(
            name=self.document.text("name", self.document.file.stem),
            factors=factors,
            cells=tuple(cells.values()),
            run=self._run(),
            claims=tuple(self._claim(table, versions) for table in self.document.tables("claims")),
        )

    def _version_set(self, name: str) -> VersionSet:
        table = self.document.table(VERSIONS).table(name)
        table.allow_only(("requirements", "python", "exclude-newer"))
        requirements = table.texts("requirements")
        for requirement in requirements:
            if not _REQUIREMENT.fullmatch(requirement.strip()):
                table.fail("requirements", f'{requirement!r} is no requirement; write it as for pip, "torch==2.13.0"')
        ours = f"{sys.version_info.major}.{sys.version_info.minor}"
        return VersionSet(
            name=name,
            requirements=requirements,
            python=table.text("python", ours),
            exclude_newer=table.text("exclude-newer") if "exclude-newer" in table.values else None,
        )

    def _factors(self, versions: Mapping[str, VersionSet]) -> dict[str, tuple[Level, ...]]:
        table = self.document.table("factors")
        if VERSIONS not in table.values:
            table.fail(VERSIONS, f"missing; list the library sets to use, of {', '.join(versions)}")
        factors: dict[str, tuple[Level, ...]] = {}
        for name, listed in table.values.items():
            if not isinstance(listed, list) or not listed:
                table.fail(name, f"expected a list of levels, found {listed!r}; write {name} = [level, level]")
            levels = tuple(self._level(table, name, level, versions) for level in listed)
            for at, level in enumerate(levels):
                if level in levels[:at]:
                    table.fail(name, f"{level!r} is listed twice; list each level once")
            factors[name] = levels
        return factors

    def _cells(self, factors: Mapping[str, tuple[Level, ...]], versions: Mapping[str, VersionSet]) -> Iterator[Cell]:
        training = self.document.table("training")
        for name in training.values:
            if name == VERSIONS:
                training.fail(name, "a library set is a factor; list it in [factors] versions")
            if name in factors:
                training.fail(name, "also a factor; keep it in [factors] or in [training], not in both")
        fixed = {name: self._level(training, name, value, versions) for name, value in training.values.items()}
        for assignment in make_design(self._design()).assignments(factors):
            yield self._cell(fixed, assignment, {}, versions, None)
        base = {name: levels[0] for name, levels in factors.items()}
        for table in self.document.tables("extra"):
            changed = {
                name: self._level(table, name, value, versions) for name, value in table.values.items() if name != "why"
            }
            if not changed:
                table.fail("why", "an extra cell that changes nothing; name at least one level")
            yield self._cell(fixed, base, changed, versions, table.text("why", "an extra cell"))

    def _cell(
        self,
        fixed: Mapping[str, Level],
        base: Mapping[str, Level],
        changed: Mapping[str, Level],
        versions: Mapping[str, VersionSet],
        why: str | None,
    ) -> Cell:
        # Defaults are spelt out: a cell says all that determines it, and two cells can be compared key by key.
        defaults = {name: parameter.default for name, parameter in self.parameters.items() if name not in _OWNED}
        levels = {**defaults, **fixed, **base, **changed}
        arguments = [
            word
            for name, level in levels.items()
            if name not in (VERSIONS, REMEDY)
            for word in self.parameters[name].arguments(level)
        ]
        told = {**base, **changed}
        return Cell(
            levels=levels,
            versions=versions[str(levels[VERSIONS])],
            arguments=tuple(arguments),
            label=" ".join(f"{name}={_plain(level)}" for name, level in told.items()),
            why=why,
        )

    def _level(self, table: Table, name: str, value: object, versions: Mapping[str, VersionSet]) -> Level:
        """The level in canonical form; gives up on one that the training program would refuse."""
        if name == VERSIONS:
            if not isinstance(value, str) or value not in versions:
                table.fail(name, f"no library set {value!r} is described; {expected_one_of(value, versions)}")
            return value
        if name == REMEDY:
            return self._remedy(table, value)
        if name in _OWNED:
            table.fail(name, f"the sweep sets it; use {_OWNED[name]}")
        if name not in self.parameters:
            known = {*self.parameters, VERSIONS, REMEDY} - set(_OWNED)
            table.fail(name, f"unknown factor {name!r}; {expected_one_of(name, known)}")
        try:
            return self.parameters[name].level(value)
        except ValueError as error:
            table.fail(name, str(error))

    def _remedy(self, table: Table, value: object) -> str:
        """``none``, or remedies as for ``freezelab run --remedy``, with commas between them."""
        if not isinstance(value, str):
            table.fail(REMEDY, f'{value!r} is no remedy; write "{NO_REMEDY}" or an id such as "fused-lstm"')
        if value == NO_REMEDY:
            return value
        try:
            return ",".join(map(str, remedies.choose_all(value.split(","))))
        except remedies.UnknownRemedyError as error:
            table.fail(REMEDY, f'{error}; "{NO_REMEDY}" is the run as it is')

    def _design(self) -> str:
        run = self.document.table("run")
        design = run.text("design", RunSettings.design)
        if design not in DESIGN_NAMES:
            run.fail("design", f"unknown design {design!r}; {expected_one_of(design, DESIGN_NAMES)}")
        return design

    def _run(self) -> RunSettings:
        table = self.document.table("run")
        table.allow_only(
            ("repeats", "seeds", "jobs", "limit_s", "threads_per_cell", "design", "stop_on_freeze", "timing")
        )
        return RunSettings(
            repeats=table.whole("repeats", RunSettings.repeats, minimum=1),
            seeds=table.wholes("seeds", RunSettings.seeds, minimum=0),
            jobs=table.whole("jobs", 1, minimum=1) if "jobs" in table.values else None,
            limit_s=table.seconds("limit_s", RunSettings.limit_s),
            threads_per_cell=table.whole("threads_per_cell", RunSettings.threads_per_cell, minimum=1),
            design=self._design(),
            stop_on_freeze=table.choice("stop_on_freeze", RunSettings.stop_on_freeze, STOP_ON_FREEZE),
            timing=table.choice("timing", RunSettings.timing, TIMINGS),
        )

    def _claim(self, table: Table, versions: Mapping[str, VersionSet]) -> Claim:
        table.allow_only(("says", "test", "factor", "verdict", "where", "needs"))
        says = table.text("says")
        where = {
            name: self._level(table.table("where"), name, value, versions)
            for name, value in table.table("where").values.items()
        }
        if "needs" in table.values:
            if "test" in table.values:
                table.fail("needs", "a claim has either a test or needs something else; drop one of the two")
            return Claim(says, None, where=where, needs=table.text("needs"))
        test = next((test for test in TESTS if test == table.text("test")), None)
        if test is None:
            table.fail("test", f"unknown test {table.values['test']!r}; {expected_one_of(table.values['test'], TESTS)}")
        if test in ("same", "differs"):
            factor = table.text("factor")
            known = {*self.parameters, VERSIONS, REMEDY}
            if factor not in known:
                table.fail("factor", f"unknown factor {factor!r}; {expected_one_of(factor, known)}")
            return Claim(says, test, factor=factor, where=where)
        return Claim(says, test, verdicts=tuple(_verdict(table, name) for name in table.texts("verdict")), where=where)


def _verdict(table: Table, name: str) -> Verdict:
    try:
        return Verdict(name)
    except ValueError:
        table.fail("verdict", f"unknown verdict {name!r}; {expected_one_of(name, [str(v) for v in Verdict])}")


def _plain(level: Level) -> str:
    return str(level).lower() if isinstance(level, bool) else str(level)
