"""Cells that do not always end alike: a finding of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matrix.analysis.analysis import Analysis
from matrix.analysis.circumstances import Circumstance, circumstances
from matrix.analysis.flaky import FlakyCell, Over
from reports import markdown as md
from reports import wording
from reports.sweep.figures import cell_label

_MAX_FLAKY = 20
_MAX_FOLDERS = 3
_CLEAR = 0.05


def flaky(analysis: Analysis) -> Iterator[str]:
    """Cells that do not always end alike, as a section of its own; nothing if there are none."""
    if not analysis.flaky:
        return
    yield "## Cells that do not always end alike"
    repeats = [item for item in analysis.flaky if item.over is Over.REPEATS]
    seeds = [item for item in analysis.flaky if item.over is Over.SEEDS]
    if repeats:
        yield (
            f"{wording.count(len(repeats), 'cell')} of which runs with the same levels and the same seed end "
            "differently: what decides is something that this sweep does not set, such as timing."
        )
        yield _flaky_table(analysis, repeats)
        yield from _circumstances(repeats)
    if seeds:
        yield (
            f"{wording.count(len(seeds), 'cell')} of which runs with different seeds end differently, and those with "
            "the same seed alike, as far as they were repeated: what decides is the seed, or chance."
        )
        yield _flaky_table(analysis, seeds)


def _flaky_table(analysis: Analysis, items: Sequence[FlakyCell]) -> str:
    table = md.table(
        ("cell", "seed", "ended as"),
        [
            (
                md.code(cell_label(analysis, item.cell)),
                str(item.seed) if item.seed is not None else f"{len({r.trial.seed for r in item.results})} seeds",
                "; ".join(_end(item, end) for end in item.counts),
            )
            for item in items[:_MAX_FLAKY]
        ],
    )
    more = len(items) - _MAX_FLAKY
    return f"{table}\n\n{more} more are left out." if more > 0 else table


def _end(item: FlakyCell, end: str) -> str:
    """``2 × deadlock in train (cells/a, cells/b)``"""
    runs = [result for result in item.results if (result.observation.signature or "") == end]
    names = ", ".join(md.code(result.observation.folder or result.trial.id) for result in runs[:_MAX_FOLDERS])
    return f"{len(runs)} × {md.text(end)} ({names}{', …' if len(runs) > _MAX_FOLDERS else ''})"


def _circumstances(items: Sequence[FlakyCell]) -> Iterator[str]:
    """What differed on the machine between runs that failed and runs of the same cell that did not."""
    told = [_told(item) for item in circumstances(items) if item.adjusted <= _CLEAR]
    if told:
        yield "What the machine did meanwhile differs, too: " + " ".join(told)


def _told(item: Circumstance) -> str:
    return (
        f"{item.says} in the runs that failed was {item.failed:.2g}, in the others of the same cells {item.others:.2g} "
        f"(means over {item.cells} cells; p = {item.adjusted:.2g}, adjusted)."
    )
