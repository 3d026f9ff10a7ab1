"""What changed between two locks, and the lock that is the good one with some of the changes made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from matrix.bisect.groups import Changes
from matrix.bisecting.locks.interface import Locked, Pin
from matrix.errors import MatrixError


@dataclass(frozen=True)
class Change:
    """Of one package."""

    package: str
    """Canonical name."""
    good: Pin | None
    """None: only the bad lock has it."""
    bad: Pin | None
    """None: only the good lock has it."""

    @property
    def name(self) -> str:
        """``numpy 1.26.4 -> 2.0.0``, ``numpy 2.0.0 added``, ``numpy 1.26.4 removed``"""
        if self.good is None:
            return f"{self.package} {self.bad.version if self.bad else ''} added"
        if self.bad is None:
            return f"{self.package} {self.good.version} removed"
        return f"{self.package} {self.good.version} -> {self.bad.version}"


@dataclass(frozen=True)
class Mixer:
    """Makes locks between a good and a bad one."""

    good: Locked
    bad: Locked

    @cached_property
    def changes(self) -> Mapping[str, Change]:
        """By name, in the order of the packages."""
        names = sorted({*self.good.pins, *self.bad.pins})
        both = ((name, self.good.pins.get(name), self.bad.pins.get(name)) for name in names)
        changes = [Change(name, good, bad) for name, good, bad in both if good != bad]
        return {change.name: change for change in changes}

    def mix(self, made: Iterable[str]) -> Locked:
        """
        The good lock with these changes made.

        :param made: names of changes.
        """
        pins = dict(self.good.pins)
        for name in made:
            change = self.changes[name]
            if change.bad is None:
                pins.pop(change.package, None)
            else:
                pins[change.package] = change.bad
        options = tuple(dict.fromkeys((*self.good.options, *self.bad.options)))
        return Locked(pins, options)

    def made_in(self, pins: Mapping[str, Pin]) -> Changes | None:
        """
        Which changes are made in a lock; None if it is no mixture of the two.

        :param pins: of the lock, by canonical name.
        """
        made = []
        for package in {*self.good.pins, *self.bad.pins, *pins}:
            good, bad, there = (each.get(package) for each in (self.good.pins, self.bad.pins, pins))
            if there not in (good, bad):
                return None
            if good != bad and there == bad:
                made.append(package)
        return tuple(name for name, change in self.changes.items() if change.package in made)

    def check(self) -> None:
        """:raises MatrixError: both pin the same."""
        if not self.changes:
            raise MatrixError("the two lock files pin the same packages; what differs is not in them")


def changes_of(candidate: object) -> Changes:
    """A candidate of a pair, which may have been stored meanwhile."""
    return tuple(map(str, candidate)) if isinstance(candidate, (tuple, list)) else ()
