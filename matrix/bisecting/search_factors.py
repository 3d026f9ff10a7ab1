"""The whole search over factors: both cells → the smallest difference → the smallest cell → a reproducer."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from matrix.bisect.factors import Factors
from matrix.bisect.shrink import Shrink
from matrix.bisecting.budget import Budget
from matrix.bisecting.call import Call
from matrix.bisecting.cells import Cells, PlannedCells
from matrix.bisecting.cells.interface import Levels
from matrix.bisecting.changes import changes_of
from matrix.bisecting.factors import (
    CellRunner,
    FactorSpace,
    ShrinkSpace,
    differing,
    how_to_shrink,
    needs_of,
    whole_cells,
)
from matrix.bisecting.pairs import tried_pairs
from matrix.bisecting.providing import Provider
from matrix.bisecting.result import Result
from matrix.bisecting.runs import Run, spent_s
from matrix.bisecting.search import CONCLUDED
from matrix.bisecting.session import open_session
from matrix.bisecting.view import View

REPRODUCER = "reproducer.sh"
SHRINK = "shrink"
"""In the search's folder: the runs that made the cell smaller."""


def search_factors(cells: Cells, texts: tuple[str, str], call: Call, *, shrink: bool = False) -> Result:
    """
    Searches the factors that bring the failure, and then, if wanted, the smallest cell that still fails so.

    :param texts: the good and the bad cell, as the person wrote them.
    :raises MatrixError: bad input, or an end that can't be tried.
    """
    good, bad = whole_cells(cells, cells.read("--good", texts[0]), cells.read("--bad", texts[1]))
    about = {"kind": "factors", "good": dict(good), "bad": dict(bad), "cells": dict(cells.about)}
    view = call.shown()
    with call.opened(about) as (session, provider):
        bisector = Factors(good, bad, needs=needs_of(cells, good, bad))
        runner = CellRunner(cells, call.subject, provider)
        space = FactorSpace(bisector, runner)
        view.note(f"the cells differ in {len(space.bad)}: {', '.join(space.bad)}")
        call.take_over(space, session, view)
        finished = call.search(bisector, space, session, view)
        conclusion = bisector.conclusion
        again: tuple[str, ...] = ()
        facts: dict[str, Any] = {"differing": list(space.bad)}
        file = ("--file", str(cells.path)) if isinstance(cells, PlannedCells) else ()
        shown = tried_pairs(bisector, space)
        if conclusion is not None and shown:
            pair = shown[0]
            ends = [bisector.cell(changes_of(side)) for side in (pair.good, pair.bad)]
            again = call.again("factors", "--good", _text(cells, ends[0]), "--bad", _text(cells, ends[1]), *file)
            facts["levels"] = {name: [good[name], bad[name]] for name in conclusion.culprit}
            if shrink and finished.why == CONCLUDED:
                facts.update(_shrunk(ends[1], good, runner, call, view, session.runs, bisector.signature))
            smallest = facts.get("smallest", ends[1])
            facts["reproducer"] = str(_write(call.out, cells, smallest, provider))
        go_on = call.again(
            "factors", "--good", texts[0], "--bad", texts[1], *file, *(["--shrink"] * shrink), "--out", str(call.out)
        )
        result = call.result("factors", finished, bisector, session, again=again, go_on=go_on, facts=facts)
        if result.certificate is not None and shown:
            result = replace(result, certificate=replace(result.certificate, pairs=shown))
        result.save(call.out)
    return result


def _shrunk(
    start: Levels,
    good: Levels,
    runner: CellRunner,
    call: Call,
    view: View,
    spent: list[Run[Any]],
    signature: str | None,
) -> dict[str, Any]:
    how = how_to_shrink(runner.cells, start, good)
    if not how:
        return {}
    bisector = Shrink(dict(start), how, signature=signature)
    space = ShrinkSpace(bisector.start, runner)
    about = {"kind": SHRINK, "start": dict(start), "how": {name: repr(each) for name, each in how.items()}}
    budget = _rest(call.budget, spent)
    with open_session(call.out / SHRINK, about, fresh=call.fresh) as session:
        view.note(f"shrinking: {', '.join(how)}")
        finished = Call(call.out / SHRINK, call.command, call.subject, budget=budget, runner=call.runner).search(
            bisector, space, session, view, target=signature
        )
        smallest = bisector.smallest
        changed = differing(start, smallest)
        return {
            "smallest": smallest,
            "shrunk": {name: [start[name], smallest[name]] for name in changed},
            "shrinking": {"ended": finished.why, "runs": len(session.runs), "seconds": spent_s(session.runs)},
        }


def _rest(budget: Budget, spent: list[Run[Any]]) -> Budget:
    runs = None if budget.runs is None else max(0, budget.runs - len(spent))
    seconds = None if budget.seconds is None else max(0.0, budget.seconds - spent_s(spent))
    return Budget(runs, seconds)


def _text(cells: Cells, levels: Levels) -> str:
    """A cell as a person writes it: what is not ordinary; the ordinary one by its name."""
    ordinary = cells.ordinary
    told = [
        cells.said(name, level)
        for name, level in levels.items()
        if name not in ordinary or (type(level), level) != (type(ordinary[name]), ordinary[name])
    ]
    return " ".join(told) or "ordinary"


def _write(out: Path, cells: Cells, levels: Mapping[str, Any], provider: Provider) -> Path:
    """One command that freezes, with all that it needs, for a shell."""
    order = cells.order(levels)
    lines = ["#!/bin/sh", "# The smallest cell that still fails the same way."]
    python = "python"
    if order.versions is None:
        python = str(cells.python)
    elif (lock := provider.locks.get(order.versions.id)) is not None:
        (out / "reproducer.txt").write_text(lock.text, encoding="utf-8")
        lines.append(f"# Its packages, for Python {lock.python}: pip install -r reproducer.txt")
    for name, value in order.environ.items():
        lines.append(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")
    remedies = [word for each in order.remedies for word in ("--remedy", str(each))]
    command = [python, *order.words]
    lines.append(shlex.join(["freezelab", "run", *remedies, "--", *command] if remedies else command))
    path = out / REPRODUCER
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (out / "smallest.json").write_text(json.dumps(dict(levels), indent=1) + "\n", encoding="utf-8")
    path.chmod(0o755)
    return path
