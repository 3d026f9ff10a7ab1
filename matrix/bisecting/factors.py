"""Which levels of a cell that freezes bring the freeze, beside a cell that passes; then the smallest that freezes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from matrix.bisect.factors import Factors
from matrix.bisect.groups import Changes
from matrix.bisect.shrink import Choice, Configuration, Shrinkable, Whole
from matrix.bisecting.cells import Cells
from matrix.bisecting.cells.interface import Levels
from matrix.bisecting.changes import changes_of
from matrix.bisecting.earlier import OfSearch, Origin, same_words
from matrix.bisecting.providing import Provider
from matrix.bisecting.runs import Ended, Run
from matrix.bisecting.subject import Place, Subject
from matrix.environments.cache import CellEnvironment, Lock, Unsatisfiable
from matrix.errors import MatrixError
from matrix.plan.cells import REMEDY, SEED, THREADS
from matrix.plan.parameters import Level

_SIZES = re.compile(r"[0-9]+(,[0-9]+)*", re.ASCII)
_NOT_SMALLER = (SEED, "gamma", "gae_lambda", "learning_rate", "clip_range")
"""A smaller one makes nothing simpler."""


@dataclass
class CellRunner:
    """Runs cells, whatever they are candidates of."""

    cells: Cells
    subject: Subject
    provide: Provider

    def run(self, candidate: object, levels: Levels, place: Place, label: str) -> Run[object]:
        """See :meth:`matrix.bisecting.search.Space.attempt`."""
        started = time.monotonic()
        order = self.cells.order(levels)
        if order.versions is None:
            # The person's own Python: nothing is built, and what is in it stays as it is.
            environment = CellEnvironment(self.cells.python, Lock("", ""))
        else:
            found = self.provide(order.versions, place.should_stop)
            if not isinstance(found, CellEnvironment):
                reason = found.reason if isinstance(found, Unsatisfiable) else str(found)
                seconds = time.monotonic() - started
                passing = not isinstance(found, Unsatisfiable)
                return Run(candidate, Ended.UNRESOLVED, None, reason, seconds, passing=passing)
            environment = found
        built_s = time.monotonic() - started
        run = self.subject.run(
            candidate,
            environment,
            place,
            words=order.words,
            environ=order.environ,
            changed_by=order.remedies,
            label=label,
        )
        return Run(candidate, run.ended, run.signature, run.says, run.seconds + built_s, run.folder)


@dataclass
class FactorSpace:
    """A :class:`matrix.bisecting.search.Space` of the factors at their bad level."""

    factors: Factors
    runner: CellRunner

    @property
    def good(self) -> Changes:
        """See :class:`Space`."""
        return ()

    @property
    def bad(self) -> Changes:
        """See :class:`Space`."""
        return self.differing

    @property
    def differing(self) -> Changes:
        """The factors in which the cells differ."""
        return differing(self.factors.good, self.factors.bad)

    def recognised(self, origin: Origin) -> Changes | None:
        """See :class:`matrix.bisecting.earlier.Recognising`."""
        if isinstance(origin, OfSearch):
            made = changes_of(origin.candidate)
            good, bad = (dict(origin.about[end]) for end in ("good", "bad"))
            return self._made_in({name: bad[name] if name in made else level for name, level in good.items()})
        always: Levels = {REMEDY: origin.remedy, THREADS: origin.trial.threads}
        candidate = self._made_in({**always, **origin.trial.cell.levels})
        if candidate is None:
            return None
        order = self.runner.cells.order(self.factors.cell(candidate))
        same = (
            order.versions is not None
            and order.versions.id == origin.trial.cell.versions.id
            and order.environ == origin.environ
            and same_words(order.words, origin.words())
        )
        return candidate if same else None

    def _made_in(self, levels: Levels) -> Changes | None:
        """The factors that have their bad level; None if it is a cell of neither level in some factor."""
        made = []
        for name, good in self.factors.good.items():
            there, bad = ((type(each), each) for each in (levels.get(name), self.factors.bad[name]))
            if there not in ((type(good), good), bad):
                return None
            if name in self.differing and there == bad:
                made.append(name)
        return tuple(name for name in self.differing if name in made)

    def label(self, candidate: Changes) -> str:
        """See :class:`Space`."""
        if not candidate:
            return "the good cell"
        if candidate == self.bad:
            return "the bad cell"
        levels = self.factors.bad
        return "with " + " ".join(self.runner.cells.said(name, levels[name]) for name in candidate)

    def instead(self, candidate: Changes) -> tuple[Changes | None, str]:
        """
        See :class:`Space`: there may be no such cell. Then with the factors that those of it need; where that is all
        of them, which tells nothing, without those that need another.
        """
        why = self._refused(candidate)
        if why is None:
            return candidate, ""
        grown = {*candidate}.union(*(self.factors.needs.get(name, ()) for name in candidate))
        shrunk = {name for name in candidate if {*candidate}.issuperset(self.factors.needs.get(name, ()))}
        nearest = [grown, shrunk] if len(grown) < len(self.differing) else [shrunk, grown]
        for names in nearest:
            other = self._some(names)
            if self._refused(other) is None:
                return other, why
        return None, why

    def _refused(self, names: Iterable[str]) -> str | None:
        return self.runner.cells.refused(self.factors.cell(self._some(names)))

    def _some(self, names: Iterable[str]) -> Changes:
        wanted = frozenset(names)
        return tuple(name for name in self.differing if name in wanted)

    def attempt(self, candidate: Changes, place: Place) -> Run[Changes]:
        """See :class:`Space`."""
        return self.runner.run(candidate, self.factors.cell(candidate), place, self.label(candidate))  # type: ignore[return-value]


@dataclass
class ShrinkSpace:
    """A :class:`matrix.bisecting.search.Space` of whole cells: each is the first with some levels made simpler."""

    start: Configuration
    runner: CellRunner

    @property
    def good(self) -> Configuration:
        """There is none: that the first freezes is all that is known."""
        return self.start

    @property
    def bad(self) -> Configuration:
        """See :class:`Space`."""
        return self.start

    def label(self, candidate: Configuration) -> str:
        """See :class:`Space`."""
        first = dict(self.start)
        changed = [self.runner.cells.said(name, level) for name, level in candidate if level != first[name]]
        return f"shrunk to {' '.join(changed)}" if changed else "the smallest difference"

    def instead(self, candidate: Configuration) -> tuple[Configuration | None, str]:
        """See :class:`Space`."""
        why = self.runner.cells.refused(dict(candidate))
        return (candidate, "") if why is None else (None, why)

    def attempt(self, candidate: Configuration, place: Place) -> Run[Configuration]:
        """See :class:`Space`."""
        return self.runner.run(candidate, dict(candidate), place, self.label(candidate))  # type: ignore[return-value]


def whole_cells(cells: Cells, good: Mapping[str, Level], bad: Mapping[str, Level]) -> tuple[Levels, Levels]:
    """
    Both cells with all their levels.

    :param good: what was told of it.
    :raises MatrixError: they are the same, one of them is not to be had, or a factor has no level in one.
    """
    both = [{**cells.ordinary, **told} for told in (good, bad)]
    for mine, others, option in ((both[0], both[1], "--good"), (both[1], both[0], "--bad")):
        for name in others:
            if name not in mine:
                usual = cells.choices(name)
                if not usual:
                    raise MatrixError(f"{option}: {name} has no level; only the other cell names one")
                mine[name] = usual[0]
        if why := cells.refused(mine):
            raise MatrixError(f"{option}: there is no such cell: {why}")
    # In one order, so that what is written down of a candidate is the same in each call.
    ordered = [{name: levels[name] for name in sorted(levels)} for levels in both]
    if not differing(*ordered):
        raise MatrixError("--good and --bad are the same cell; name two that differ")
    return ordered[0], ordered[1]


def differing(good: Levels, bad: Levels) -> tuple[str, ...]:
    """The factors in which they differ; True and 1 are two levels, though equal."""
    return tuple(name for name in good if (type(good[name]), good[name]) != (type(bad[name]), bad[name]))


def needs_of(cells: Cells, good: Levels, bad: Levels) -> dict[str, frozenset[str]]:
    """
    Of some factors, all those without which they can't have their bad level.

    That is read from which cells are refused: without the one there is no such cell, without both there is.
    """
    every = frozenset(differing(good, bad))

    def there_is(names: Iterable[str]) -> bool:
        wanted = frozenset(names)
        return cells.refused({name: bad[name] if name in wanted else level for name, level in good.items()}) is None

    lacking = [name for name in every if not there_is(every - {name})]
    found = {}
    for name in sorted(every):
        needed = frozenset(other for other in lacking if other != name and there_is(every - {other, name}))
        if needed and there_is(needed | {name}):
            found[name] = needed
    return found


def how_to_shrink(cells: Cells, levels: Levels, good: Levels) -> dict[str, Shrinkable]:
    """
    Numbers get smaller, nets narrower; whatever else there is becomes as simple as is known.

    :param good: the cell that passes. Where ``levels`` differ from it they are needed: that is known already.
    """
    how: dict[str, Shrinkable] = {}
    for name, level in _cheapest_first(levels):
        if isinstance(level, bool) or level is None:
            simpler: Iterable[Level] = [one for one in cells.choices(name) if one is not level]
        elif isinstance(level, int) and name not in _NOT_SMALLER:
            if level > 1:
                how[name] = Whole(least=1)
            continue
        elif isinstance(level, str) and _SIZES.fullmatch(level) and "," in level:
            simpler = _narrower(level)
        else:
            simpler = _until(cells.choices(name), level)
        known = [(type(one), one) for one in (level, good[name])]
        choices = tuple(dict.fromkeys(one for one in simpler if (type(one), one) not in known))
        if choices:
            how[name] = Choice((*choices, level))
    return how


def _cheapest_first(levels: Levels) -> list[tuple[str, Level]]:
    """What makes runs shorter is shrunk first: all that follow gain by it."""
    first = ("total_timesteps", "timesteps", "steps", "n_epochs", "n_steps", "n_envs", THREADS)
    return sorted(levels.items(), key=lambda item: (first.index(item[0]) if item[0] in first else len(first), item[0]))


def _until(choices: Iterable[Level], level: Level) -> Iterable[Level]:
    """Those that are simpler."""
    found = list(choices)
    return found[: found.index(level)] if level in found else found


def _narrower(sizes: str) -> Iterable[Level]:
    widths = [int(one) for one in sizes.split(",")]
    yield "1"
    yield from (",".join(str(min(width, narrow)) for width in widths) for narrow in (1, 4, 16) if max(widths) > narrow)
