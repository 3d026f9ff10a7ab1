"""
Which releases of a package a range such as ``>=2.7,<2.9`` stands for.

The resolver itself is asked, one release after the other: so what counts as a release is what a cell could get, with
the same indexes, mirrors, wheel folders, certificates and dates. What it said is kept for when nobody answers: a sweep
whose environments are built goes on without a network.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from matrix.environments.layout import default_cache
from matrix.environments.uv import Uv
from matrix.plan.cells import digest

MOST = 40
"""A range may stand for at most so many releases: each is an environment of its own."""


_FOLDER = "releases"
"""In the cache's folder."""


class ReleasesError(ValueError):
    """The range can't be expanded; the message says what is there instead, or what went wrong."""


class Releases(Protocol):
    """Knows which releases exist."""

    def __call__(
        self, package: str, wanted: SpecifierSet, pythons: Iterable[str], exclude_newer: str | None
    ) -> tuple[str, ...]:
        """
        The releases in ``wanted`` that have a wheel for one of ``pythons`` on this machine, oldest first.

        Pre-releases only where ``wanted`` names one; local labels (``+cpu``) are left off.

        :param pythons: as uv takes them: ``3.11``.
        :param exclude_newer: later releases are as if they did not exist.
        :raises ReleasesError: there are none, or too many, or they can't be listed.
        """
        ...


class _NotListedError(ReleasesError):
    """Nobody answered."""


@dataclass
class UvReleases:
    """Asks uv, and remembers."""

    uv: Uv | None = None
    """None is looked for when it is first needed."""
    cache: Path | None = None
    """Of environments; None is the user's."""
    _known: dict[tuple[str, str, str, str | None], str | None] = field(default_factory=dict)

    def __call__(
        self, package: str, wanted: SpecifierSet, pythons: Iterable[str], exclude_newer: str | None
    ) -> tuple[str, ...]:
        """See :class:`Releases`."""
        pythons = tuple(pythons)
        key = digest([package, str(wanted), pythons, exclude_newer])
        kept = (self.cache or default_cache()) / _FOLDER / f"{key}.json"
        try:
            found = self._all(package, wanted, pythons, exclude_newer)
        except _NotListedError:
            if (earlier := _read(kept)) is None:
                raise
            return earlier
        _write(kept, found)
        return found

    def _all(
        self, package: str, wanted: SpecifierSet, pythons: tuple[str, ...], exclude_newer: str | None
    ) -> tuple[str, ...]:
        found = {release for python in pythons for release in self._each(package, wanted, python, exclude_newer)}
        if not found:
            near = self._nearest(package, wanted, pythons, exclude_newer)
            instead = f"the nearest are {' and '.join(near)}" if near else f"no release of {package} at all has"
            raise ReleasesError(f"no release in it has a wheel for Python {' or '.join(pythons)}; {instead}")
        return tuple(str(release) for release in sorted(found))

    def _each(self, package: str, wanted: SpecifierSet, python: str, exclude_newer: str | None) -> Iterator[Version]:
        clauses = [str(wanted)] if len(wanted) else []
        for _ in range(MOST + 1):
            release = self._one(package + ",".join(clauses), python, exclude_newer)
            if release is None:
                return
            yield release
            clauses.append(f"!={release}")  # "<" would shut out its pre-releases, too
        raise ReleasesError(f"more than {MOST} releases are in it, and each is an environment of its own; narrow it")

    def _nearest(
        self, package: str, wanted: SpecifierSet, pythons: Iterable[str], exclude_newer: str | None
    ) -> list[str]:
        """The releases just below and just above the versions that ``wanted`` names."""
        named = sorted(Version(clause.version.removesuffix(".*")) for clause in wanted if clause.operator != "===")
        if not named:
            return []
        asked = ((f"<{named[0].public}", "highest"), (f">={named[-1].public}", "lowest-direct"))
        near = {
            release
            for python in pythons
            for bound, resolution in asked
            if (release := self._one(f"{package}{bound}", python, exclude_newer, resolution))
        }
        return [str(release) for release in sorted(near)]

    def _one(
        self, requirement: str, python: str, exclude_newer: str | None, resolution: str = "highest"
    ) -> Version | None:
        """The newest (or oldest) release that fulfils the requirement; None if there is none."""
        key = (requirement, python, resolution, exclude_newer)
        if key not in self._known:
            self._known[key] = self._ask(*key)
        known = self._known[key]
        return None if known is None else Version(known)

    def _ask(self, requirement: str, python: str, resolution: str, exclude_newer: str | None) -> str | None:
        self.uv = self.uv or Uv()
        command = ["pip", "compile", "-", "--no-deps", "--only-binary", ":all:", "--no-header", "--no-annotate"]
        command += ["--python-version", python, "--python", sys.executable, "--resolution", resolution]
        # What uv does by itself is to take pre-releases where no other release is left.
        if any(
            Version(clause.version.removesuffix(".*")).is_prerelease for clause in Requirement(requirement).specifier
        ):
            command += ["--prerelease", "allow"]
        elif "UV_PRERELEASE" not in self.uv.settings.environ:
            command += ["--prerelease", "disallow"]
        if exclude_newer:
            command += ["--exclude-newer", exclude_newer]
        answer = self.uv([*command, *self.uv.settings.options], requirement + "\n")
        if answer.no_solution:
            return None
        pinned = [line.partition("==")[2].split() for line in answer.stdout.splitlines() if "==" in line]
        if answer.returncode != 0 or not pinned:
            raise _NotListedError(f"its releases can't be listed: {answer.reason or 'uv named none'}")
        return Version(pinned[0][0]).public


def _read(path: Path) -> tuple[str, ...] | None:
    try:
        return tuple(str(Version(one)) for one in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, releases: Iterable[str]) -> None:
    with contextlib.suppress(OSError):  # it is asked again
        path.parent.mkdir(parents=True, exist_ok=True)
        growing = path.with_name(f".{path.name}.{os.getpid()}")
        growing.write_text(json.dumps(list(releases)), encoding="utf-8")
        growing.replace(path)
