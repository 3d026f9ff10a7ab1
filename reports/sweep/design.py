"""What a sweep ran, and what came of each cell."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence

from matrix.analysis.analysis import Analysis, Result
from matrix.plan.plan import Plan
from reports import markdown as md
from reports import wording

_MAX_CELLS = 200
_MAX_OPEN = 24
"""Rows of a table that is shown unfolded."""
_MAX_REQUIREMENTS = 12


def what_was_run(analysis: Analysis) -> Iterator[str]:
    """The factors, the library sets and the extra cells."""
    plan = analysis.plan
    extras = [cell for cell in plan.cells if cell.why is not None]
    yield (
        f"{wording.count(len(plan.cells), 'cell')} in all: {_design(plan)}"
        + (f", and {wording.count(len(extras), 'extra cell')}" if extras else "")
        + f"{_rounds(plan)}. Each run was a process of its own, in an environment of its own, with "
        + f"{wording.count(plan.run.threads_per_cell, 'thread')}, for at most {plan.run.limit_s:g} s."
    )
    yield md.table(
        ("factor", "levels"),
        [(md.code(name), ", ".join(md.code(level) for level in levels)) for name, levels in plan.factors.items()],
    )
    if plan.constraints:
        yield "Left out is what breaks one of these constraints:"
        yield "\n".join(f"- {md.code(constraint)}" for constraint in plan.constraints)
    sets = {cell.versions.name: cell.versions for cell in plan.cells}
    yield md.table(
        ("library set", "Python", "requirements"),
        [
            (md.code(name), md.text(versions.python), _requirements(versions.requirements))
            for name, versions in list(sets.items())[:_MAX_CELLS]
        ],
    )
    if extras:
        yield md.table(
            ("extra cell", "why"),
            [(md.code(cell.label), md.text(cell.why or "—")) for cell in extras[:_MAX_CELLS]],
        )


def _design(plan: Plan) -> str:
    """The design in a clause."""
    name = plan.run.design
    if name == "full":
        return "every combination of the levels below"
    if name in ("pairwise", "covering"):
        many = 2 if name == "pairwise" else plan.run.strength
        return f"so chosen that any {many} levels of different factors meet in at least one of them (a covering array)"
    if name == "one-at-a-time":
        return "one with the first level of each factor, and for each other level one that differs in it alone"
    if name == "adaptive":
        return "what an adaptive search may choose from, of which each run was chosen by what the runs before had shown"
    return f"chosen by the design {md.code(name)}"


def _rounds(plan: Plan) -> str:
    seeds, repeats = len(plan.run.seeds), plan.run.repeats
    told = [wording.count(seeds, "seed")] if seeds > 1 else []
    told += [wording.count(repeats, "repeat")] if repeats > 1 else []
    return f", each with {wording.listed(told)}" if told else ""


def _requirements(requirements: Sequence[str]) -> str:
    told = [md.code(item) for item in requirements[:_MAX_REQUIREMENTS]]
    more = len(requirements) - len(told)
    return ", ".join([*told, f"and {more} more"] if more else told) or "a lock file"


def matrix(analysis: Analysis) -> Iterator[str]:
    """A row for each cell."""
    cells: dict[str, list[Result]] = {}
    for result in analysis.results:
        cells.setdefault(result.trial.cell.id, []).append(result)
    groups = list(cells.values())
    several = any(len(group) > 1 for group in groups)
    if len(groups) > _MAX_CELLS:
        groups.sort(key=lambda group: -sum(result.failed for result in group))
        yield (
            f"The {_MAX_CELLS} cells that failed most often, of {len(groups)}; `sweep.sqlite` beside this report has "
            "all of them."
        )
    factors = list(analysis.plan.factors)
    header = (
        *map(md.code, factors),
        *(("runs",) if several else ()),
        "verdict",
        "phase",
        "step",
        "culprit",
        "took",
    )
    rows = [_row(group, factors, several=several) for group in groups[:_MAX_CELLS]]
    numbers = [place for place, name in enumerate(header) if name in ("runs", "step", "took")]
    table = md.table(header, rows, numeric=numbers)
    yield table if len(rows) <= _MAX_OPEN else md.fold(f"The table of {wording.count(len(rows), 'cell')}", table)


def _row(group: Sequence[Result], factors: Sequence[str], *, several: bool) -> tuple[str, ...]:
    """One cell: how its runs ended, and of one that failed, if any did, where."""
    shown = next((result for result in group if result.failed), group[0])
    observation, cell = shown.observation, shown.trial.cell
    levels = [md.code(cell.levels.get(name)) for name in factors]
    if cell.why is not None:
        levels = [f"*extra:* {md.code(cell.label)}", *("" for _ in levels[1:])]
    ends = Counter(
        f"**{item.observation.verdict}**" if item.observation.verdict else md.text(item.observation.headline)
        for item in group
    )
    told = [f"{end} {number} ×" if len(ends) > 1 else end for end, number in ends.most_common()]
    walls = [item.observation.wall_s for item in group if item.observation.wall_s is not None]
    return (
        *levels,
        *((str(len(group)),) if several else ()),
        ", ".join(told),
        md.text(observation.phase or "—"),
        str(observation.step) if observation.step is not None else "—",
        md.code(observation.culprit) if observation.culprit else "—",
        wording.seconds(statistics.median(walls) if walls else None),
    )
