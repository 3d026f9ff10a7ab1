"""
Which mixtures of two locks hold together, by what the packages themselves say that they require.

The metadata are those of the two ends' environments, so that no index has to be asked, and every release of a mixture
is one of theirs. What an end itself breaks (pip lets it) is not held against a mixture.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from matrix.bisecting.changes import Mixer
from matrix.bisecting.locks.interface import Target

Requires = Mapping[tuple[str, str], tuple[Requirement, ...]]
"""Canonical name and version to what the release requires."""
Mix = Mapping[str, str]
"""Canonical name to version."""


def requirements_in(site: Path) -> dict[tuple[str, str], tuple[Requirement, ...]]:
    """What each distribution in a ``site-packages`` requires; requirements that can't be read are left out."""
    found: dict[tuple[str, str], tuple[Requirement, ...]] = {}
    for one in importlib.metadata.distributions(path=[str(site)]):
        name = one.metadata["Name"]
        if name:
            found[canonicalize_name(name), _canonical(one.version)] = tuple(_read(one.requires or ()))
    return found


def _read(lines: Iterable[str]) -> Iterable[Requirement]:
    for line in lines:
        try:
            yield Requirement(line)
        except InvalidRequirement:
            continue


def _canonical(version: str) -> str:
    try:
        return str(Version(version))
    except InvalidVersion:
        return version


@dataclass(frozen=True)
class Broken:
    """A requirement that a mixture does not meet."""

    package: str
    requirement: str
    """``numpy<2``"""
    needs: str
    """Canonical name of what is required."""

    def __str__(self) -> str:
        return f"{self.package} requires {self.requirement}"


@dataclass(frozen=True)
class Consistency:
    """Says which changes have to be made together."""

    mixer: Mixer
    requires: Requires
    target: Target

    def closed(self, made: Iterable[str]) -> tuple[frozenset[str], tuple[Broken, ...]]:
        """
        These changes with those that they can't be made without, and why the latter are needed.

        :param made: names of changes.
        """
        # With all changes made it is the bad end, where nothing is broken that is held against it.
        return self._mended(made, lambda broken: (broken.needs, broken.package), make=True)

    def opened(self, made: Iterable[str]) -> tuple[frozenset[str], tuple[Broken, ...]]:
        """
        What can be made of these changes without any other, and why the rest can't.

        :param made: names of changes.
        """
        # With no change made it is the good end.
        return self._mended(made, lambda broken: (broken.package, broken.needs), make=False)

    def _mended(
        self, made: Iterable[str], packages: Callable[[Broken], tuple[str, str]], *, make: bool
    ) -> tuple[frozenset[str], tuple[Broken, ...]]:
        """
        Makes one change after the other, or takes it back, until nothing new is broken.

        :param packages: of what is broken, the package to be changed, and the one to be changed where that can't be.
        """
        mended, why = set(made), []
        while broken := self._new(mended):
            first = broken[0]
            mended ^= {
                next(
                    self._by_package[package]
                    for package in packages(first)
                    if package in self._by_package and (self._by_package[package] in mended) is not make
                )
            }
            why.append(first)
        return frozenset(mended), tuple(why)

    @cached_property
    def needs(self) -> Mapping[str, frozenset[str]]:
        """Of each change itself and all those without which it can't be made."""
        return {name: self.closed([name])[0] for name in self.mixer.changes}

    @cached_property
    def together(self) -> tuple[tuple[str, ...], ...]:
        """Changes none of which can be made without the others of its group; groups of one are left out."""
        closures = self.needs
        groups: list[tuple[str, ...]] = []
        grouped: set[str] = set()
        for name, closure in closures.items():
            if name not in grouped:
                group = tuple(other for other in closures if other in closure and name in closures[other])
                grouped.update(group)
                groups += [group] if len(group) > 1 else []
        return tuple(groups)

    @cached_property
    def _by_package(self) -> Mapping[str, str]:
        return {change.package: name for name, change in self.mixer.changes.items()}

    @cached_property
    def _ends(self) -> frozenset[tuple[str, ...]]:
        """What the ends themselves break."""
        ends = (self.mixer.good.versions, self.mixer.bad.versions)
        return frozenset(self._key(one, end) for end in ends for one in self._broken(end))

    def _new(self, made: Iterable[str]) -> list[Broken]:
        mix = self.mixer.mix(made).versions
        return [one for one in self._broken(mix) if self._key(one, mix) not in self._ends]

    def _key(self, broken: Broken, mix: Mix) -> tuple[str, ...]:
        there = mix.get(broken.needs, "")
        return broken.package, mix[broken.package], broken.requirement, there

    def _broken(self, mix: Mix) -> list[Broken]:
        found = []
        extras = self._extras(mix)
        for package in sorted(mix):
            for requirement in self._of(package, mix, extras.get(package, frozenset())):
                needs = canonicalize_name(requirement.name)
                if not _meets(mix.get(needs), requirement):
                    found.append(Broken(package, f"{requirement.name}{requirement.specifier}", needs))
        return found

    def _of(self, package: str, mix: Mix, extras: Iterable[str]) -> list[Requirement]:
        """What the package of the mixture requires here, with these extras."""
        every = self.requires.get((package, mix[package]), ())
        return [one for one in every if any(self._applies(one, extra) for extra in ("", *extras))]

    def _applies(self, requirement: Requirement, extra: str) -> bool:
        try:
            return requirement.marker is None or requirement.marker.evaluate(
                {**self.target.environment, "extra": extra}
            )
        except UndefinedEnvironmentName:
            return False

    def _extras(self, mix: Mix) -> dict[str, frozenset[str]]:
        """The extras that packages ask of each other; nothing says which the person asked for."""
        extras: dict[str, frozenset[str]] = {}
        while True:
            grown = dict(extras)
            for package in mix:
                for one in self._of(package, mix, extras.get(package, frozenset())):
                    name = canonicalize_name(one.name)
                    grown[name] = grown.get(name, frozenset()) | one.extras
            if grown == extras:
                return extras
            extras = grown


def _meets(version: str | None, requirement: Requirement) -> bool:
    if version is None:
        return False
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:  # fetched from an address
        return True
