"""From ``matrix.toml`` to a plan: every level is checked before the first cell starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matrix.designs import Assignment, always, make_design
from matrix.plan.cell_maker import CellMaker
from matrix.plan.cells import NO_REMEDY, PYTHON, REMEDY, THREADS, VERSIONS, Cell
from matrix.plan.claims_file import read_claims
from matrix.plan.constraints import Constraint
from matrix.plan.factors import FactorsFile
from matrix.plan.libraries import Libraries
from matrix.plan.parameters import Level, Parameter
from matrix.plan.plan import Plan, RunSettings
from matrix.plan.programs import import_path
from matrix.plan.releases import Releases, UvReleases
from matrix.plan.run_file import ADAPTIVE, ONE_AT_A_TIME, read_costs, read_run, read_weights
from matrix.plan.tables import Table, read_document
from matrix.plan.together import Refuses, refused

KEYS = ("name", "factors", VERSIONS, "training", "constraints", "weights", "costs", "extra", "run", "claims")


def load_plan(
    path: Path,
    parameters: Mapping[str, Parameter],
    releases: Releases | None = None,
    refuses: Refuses | None = None,
) -> Plan:
    """
    Reads and checks a sweep's file.

    :param parameters: what the training program takes, by name.
    :param releases: asked for ranges of releases only; None asks uv.
    :param refuses: what the training program makes of options that are good each by itself; None asks nobody.
    :raises MatrixError: the file can't be read, or something in it is not right; the message says what would be.
    """
    return parse_plan(read_document(path), parameters, releases, refuses)


def parse_plan(
    document: Table,
    parameters: Mapping[str, Parameter],
    releases: Releases | None = None,
    refuses: Refuses | None = None,
) -> Plan:
    """As :func:`load_plan`, from a document that was read."""
    document.allow_only(KEYS)
    run = read_run(document.table("run"))
    for key in ("extra", "weights"):
        if run.design == ADAPTIVE and key in document.values:
            document.fail(key, "an adaptive design chooses its cells itself; drop this, or the design")
    file = FactorsFile(document, parameters, releases or UvReleases())
    constraints = _constraints(document, file.factors)
    cells = tuple(_Cells(document, file, constraints, run).all())
    if refuses and (found := refused(cells, tuple(file.factors), refuses)):
        cell, why = found
        where, way_out = ("factors", "leave it out by a constraint") if cell.why is None else ("extra", "change it")
        document.fail(where, f"the training program refuses the cell {cell.label!r}: {why}; {way_out}")
    return Plan(
        name=document.text("name", document.file.stem),
        factors=file.factors,
        cells=cells,
        run=run,
        claims=tuple(read_claims(document, file.kinds, file.level)),
        constraints=tuple(constraint.text for constraint in constraints),
        weights=read_weights(document.table("weights"), file.factors),
        costs=read_costs(document.table("costs"), file.factors),
    )


def _constraints(document: Table, factors: Mapping[str, Sequence[Level]]) -> list[Constraint]:
    constraints = []
    for table, key, text in _written_constraints(document):
        try:
            constraint = Constraint.parse(text)
            constraint.check(factors)
        except ValueError as error:
            table.fail(key, str(error))
        constraints.append(constraint)
    return constraints


def _written_constraints(document: Table) -> Iterator[tuple[Table, str, str]]:
    """Each with its place: ``constraints = ["…"]``, or ``[[constraints]]`` tables, which may stand anywhere."""
    written = document.values.get("constraints", [])
    if isinstance(written, list) and any(isinstance(one, dict) for one in written):
        for table in document.tables("constraints"):
            table.allow_only(("only", "why"))
            yield table, "only", table.text("only")
    elif written != []:
        yield from ((document, f"constraints[{at}]", text) for at, text in enumerate(document.texts("constraints")))


@dataclass(frozen=True)
class _Extra:
    """A single cell beside the design."""

    levels: Mapping[str, Level]
    told: Mapping[str, Level]
    why: str


@dataclass(frozen=True)
class _Cells:
    """The design's cells, then the extra ones; no two alike."""

    document: Table
    file: FactorsFile
    constraints: Sequence[Constraint]
    run: RunSettings

    def all(self) -> Iterator[Cell]:
        file = self.file
        make = CellMaker(
            file.program,
            Libraries(file.sets, file.packages),
            file.variables,
            import_path(self.document.table("training")),
        )
        ordinary: dict[str, Level] = {**file.program.defaults, **file.fixed}
        if THREADS not in file.factors and any(THREADS in table.values for table in self.document.tables("extra")):
            ordinary[THREADS] = self.run.threads_per_cell
        self._check_ordinary()
        extras = [make(extra.levels, extra.told, extra.why) for extra in self._extras(ordinary)]
        seen: set[str] = set()
        empty = True
        design = make_design(self.run.design, self.run.strength)
        for assignment in design.assignments(file.factors, self._allowed if self.constraints else always):
            cell = make({**ordinary, **assignment}, assignment, None)
            # Hashing each of 100,000 cells would take longer than making them.
            seen.update(extra.id for extra in extras if extra.levels == cell.levels and extra.id == cell.id)
            empty = False
            yield cell
        if empty:
            self.document.fail("constraints", "no combination of levels fulfils all of them; loosen or drop one")
        for extra in extras:
            if extra.id not in seen:
                seen.add(extra.id)
                yield extra

    def _check_ordinary(self) -> None:
        """A design around the ordinary cell needs one."""
        base = {name: levels[0] for name, levels in self.file.factors.items()}
        broken = next((one.text for one in self.constraints if not one.holds(base)), None)
        if self.run.design == ONE_AT_A_TIME and broken is not None:
            self.document.fail(
                "constraints",
                f"the ordinary cell, around which the design goes, breaks {broken!r}; "
                "the first level of each factor is the ordinary one: list another one first",
            )

    def _allowed(self, assignment: Assignment) -> bool:
        return all(constraint.holds(assignment) for constraint in self.constraints)

    def _extras(self, ordinary: Mapping[str, Level]) -> Iterator[_Extra]:
        base = {name: levels[0] for name, levels in self.file.factors.items()}
        for table in self.document.tables("extra"):
            changed = {name: self._changed(table, name, value) for name, value in table.values.items() if name != "why"}
            if not changed:
                table.fail("why", "an extra cell that changes nothing; name at least one level")
            told = {**base, **changed}
            for constraint in self.constraints:
                if not constraint.holds(told):
                    table.fail(next(iter(changed)), f"breaks the constraint {constraint.text!r}; change one of the two")
            levels = {**ordinary, **told}
            if REMEDY not in self.file.factors and levels.get(REMEDY) == NO_REMEDY:
                del levels[REMEDY]  # as good as no such level
            yield _Extra(levels, told, table.text("why", "an extra cell"))

    def _changed(self, table: Table, name: str, value: object) -> Level:
        level = self.file.level(table, name, value)
        if name in (PYTHON, VERSIONS) and name not in self.file.factors:
            table.fail(name, f"the other cells leave it open; list its levels in [factors] {name} = […]")
        return level
