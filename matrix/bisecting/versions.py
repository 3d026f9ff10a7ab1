"""Which release of a package brought the freeze: each release in an environment of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from matrix.bisecting.earlier import OfSearch, Origin
from matrix.bisecting.providing import BUILD_S, Provider
from matrix.bisecting.runs import Ended, Run
from matrix.bisecting.subject import Place, Subject
from matrix.environments.cache import CellEnvironment, Unsatisfiable
from matrix.environments.eviction import contents
from matrix.errors import MatrixError
from matrix.plan.cells import VersionSet
from matrix.plan.releases import Releases, ReleasesError

_RUN_S = 30.0
"""What a run is taken to cost before any ended."""


@dataclass(frozen=True)
class Wanted:
    """What the person asked for."""

    package: str
    """Canonical name."""
    pythons: tuple[str, ...]
    """The first that a release can be had for is taken."""
    with_: tuple[str, ...] = ()
    """Requirements that hold for every release."""
    good: str | None = None
    bad: str | None = None
    pre: bool = False
    """Whether pre-releases between the ends are tried, too."""
    also: tuple[str, ...] = ()
    """Releases that the index hides, such as yanked ones, to be tried where they lie between the ends."""
    exclude_newer: str | None = None
    torch_backend: str | None = None

    @classmethod
    def checked(
        cls,
        package: str,
        pythons: Sequence[str],
        with_: Sequence[str],
        good: str | None,
        bad: str | None,
        **more: object,
    ) -> Wanted:
        """:raises MatrixError: one of them is not right; the message says what would be."""
        try:
            asked = Requirement(package)
            plain = asked.name
        except InvalidRequirement:
            plain = ""
        if plain != package or not plain:
            raise MatrixError(f"--package: {package!r} is no name of a package; write it as for pip, without a version")
        for one in with_:
            try:
                Requirement(one)
            except InvalidRequirement:
                raise MatrixError(f'--with: {one!r} is no requirement; write it as for pip, "numpy<2"') from None
        also = more.get("also", ())
        named = [("--also", str(one)) for one in also] if isinstance(also, tuple) else []
        for name, version in (("--good", good), ("--bad", bad), *named):
            try:
                Version(version or "0")
            except InvalidVersion:
                raise MatrixError(f'{name}: {version!r} is no release; write it as "2.5.1"') from None
        return cls(canonicalize_name(package), tuple(pythons), tuple(with_), good, bad, **more)  # type: ignore[arg-type]

    def release(self, release: str, python: str) -> VersionSet:
        """The library set of a release."""
        requirements = (f"{self.package}=={release}", *self.with_)
        return VersionSet(release, requirements, python, self.exclude_newer, torch_backend=self.torch_backend)


def list_releases(wanted: Wanted, releases: Releases) -> tuple[str, ...]:
    """
    The releases to search, from the good to the bad end. The good one may be the later: a freeze that went away.

    :raises MatrixError: they can't be listed, or an end is none of them.
    """
    given = [Version(one) for one in (wanted.good, wanted.bad) if one is not None]
    backwards = len(given) == 2 and given[0] > given[1]
    low, high = (wanted.bad, wanted.good) if backwards else (wanted.good, wanted.bad)
    # What names a pre-release lets pre-releases in.
    suffix = ".dev0" if wanted.pre and low is not None and not Version(low).is_devrelease else ""
    clauses = [f">={low}{suffix}"] if low is not None else [">=0.dev0"] if wanted.pre else []
    clauses += [f"<={high}"] if high is not None else []
    try:
        found = releases(wanted.package, SpecifierSet(",".join(clauses)), wanted.pythons, wanted.exclude_newer)
    except ReleasesError as error:
        where = f" {','.join(clauses)}" if clauses else ""
        hint = "; name --good and --bad" if not clauses else ""
        raise MatrixError(f"--package {wanted.package}{where}: {error}{hint}") from error
    items = _with_also(found, wanted.also)
    items = [one for one in items if low is None or Version(one) >= Version(low)]
    items = [one for one in items if high is None or Version(one) <= Version(high)]
    if not wanted.pre:
        # One that names a pre-release as an end means that one, not all others between.
        given += [Version(one) for one in wanted.also]
        items = [one for one in items if not Version(one).is_prerelease or Version(one) in given]
    for name, end in (("--good", wanted.good), ("--bad", wanted.bad)):
        if end is not None and not any(Version(one) == Version(end) for one in items):
            raise MatrixError(
                f"{name} {end}: no such release of {wanted.package} for Python {' or '.join(wanted.pythons)}; "
                f"there are {_few(items) if items else 'none'}"
            )
    if len(items) < 2:
        raise MatrixError(
            f"--package {wanted.package}: {_few(items) or 'no release'} alone can't be bisected; widen it"
        )
    return tuple(reversed(items) if backwards else items)


def _with_also(found: Sequence[str], also: Sequence[str]) -> list[str]:
    """In order, each once."""
    by_version = {Version(one): one for one in (*also, *found)}
    return [by_version[version] for version in sorted(by_version)]


def _few(items: Sequence[str]) -> str:
    return ", ".join(items) if len(items) <= 8 else f"{', '.join(items[:4])}, …, {', '.join(items[-3:])}"


@dataclass
class ReleaseSpace:
    """A :class:`matrix.bisecting.search.Space` of releases."""

    wanted: Wanted
    items: tuple[str, ...]
    subject: Subject
    provide: Provider
    took_s: list[float] = field(default_factory=list)
    """Runs alone."""
    builds_s: list[float] = field(default_factory=list)
    pythons: dict[str, str] = field(default_factory=dict)
    """Which Python each release was tried with."""
    _cheap: frozenset[tuple[str, str]] | None = None
    """Releases of the package in environments that other searches and sweeps have built."""

    @property
    def good(self) -> str:
        """See :class:`Space`."""
        return self.items[0]

    @property
    def bad(self) -> str:
        """See :class:`Space`."""
        return self.items[-1]

    def label(self, candidate: str) -> str:
        """See :class:`Space`."""
        return f"{self.wanted.package} {candidate}"

    def instead(self, candidate: str) -> tuple[str | None, str]:
        """See :class:`Space`."""
        return candidate, ""

    def recognised(self, origin: Origin) -> str | None:
        """See :class:`matrix.bisecting.earlier.Recognising`."""
        if isinstance(origin, OfSearch):
            return origin.candidate if origin.candidate in self.items else None
        return self._by_set.get(origin.trial.cell.versions.id) if origin.is_of(self.subject.words) else None

    @cached_property
    def _by_set(self) -> Mapping[str, str]:
        """Releases by the id of their library set."""
        pythons = self.wanted.pythons
        return {self.wanted.release(item, python).id: item for python in pythons for item in self.items}

    def cost_s(self, candidate: str) -> float:
        """What trying the release is expected to take, in seconds."""
        run = sum(self.took_s) / len(self.took_s) if self.took_s else _RUN_S
        build = sum(self.builds_s) / len(self.builds_s) if self.builds_s else BUILD_S
        if any(self.provide.is_built(self.wanted.release(candidate, python)) for python in self.wanted.pythons):
            return run
        return run + (build / 2 if self._is_in_another(candidate) else build)

    def _is_in_another(self, candidate: str) -> bool:
        """Whether some environment holds that release: then its wheel is in uv's cache, as a rule."""
        if self._cheap is None:
            name = self.wanted.package
            self._cheap = frozenset(
                (built.python, version)
                for built in contents(self.provide.cache)
                for package, version in built.packages.items()
                if canonicalize_name(package) == name
            )
        return any((python, candidate) in self._cheap for python in self.wanted.pythons)

    def attempt(self, candidate: str, place: Place) -> Run[str]:
        """See :class:`Space`."""
        started = time.monotonic()
        reasons = []
        for python in self.wanted.pythons:
            versions = self.wanted.release(candidate, python)
            was_there = self.provide.is_built(versions)
            found = self.provide(versions, place.should_stop)
            if isinstance(found, CellEnvironment):
                built_s = time.monotonic() - started
                self.pythons[candidate] = python
                run = self.subject.run(candidate, found, place, label=self.label(candidate))
                self.took_s.append(run.seconds)
                if not was_there:
                    self.builds_s.append(built_s)
                return Run(candidate, run.ended, run.signature, run.says, run.seconds + built_s, run.folder)
            passing = not isinstance(found, Unsatisfiable)
            reasons.append(f"Python {python}: {found.reason if isinstance(found, Unsatisfiable) else found}")
            if passing:
                break
        seconds = time.monotonic() - started
        return Run(candidate, Ended.UNRESOLVED, None, "; ".join(reasons), seconds, passing=passing)
