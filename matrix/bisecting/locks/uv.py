"""``uv.lock``: for all machines at once, so that what is for here is found by walking from the project on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name

from matrix.bisecting.locks.interface import (
    Locked,
    LockError,
    Pin,
    Target,
    locked,
    marker_of,
    packages_of,
    pin_of,
    read_toml,
    table_of,
)

_OWN = ("virtual", "editable", "directory")
"""Sources that are the project itself, or another part of its workspace."""


def recognises(name: str, text: str) -> bool:
    """By its name, or by how every one begins."""
    return name == "uv.lock" or re.match(r"version = \d+\n(revision = \d+\n)?requires-python", text) is not None


def read(text: str, target: Target) -> Locked:
    """
    What ``uv sync --no-dev`` would install.

    :raises LockError: it is no such file.
    """
    document = read_toml(text)
    if document.get("version") != 1:
        raise LockError(f"version is {document.get('version')!r}; 1 is known")
    entries = [
        _Entry(where, table, table_of(where, table, "source")) for where, table in packages_of(document, "package")
    ]
    return locked(_Walk(entries, target).pins())


@dataclass(frozen=True)
class _Entry:
    where: str
    table: Mapping[str, Any]
    source: Mapping[str, Any]

    @property
    def name(self) -> str:
        name = self.table.get("name")
        if not isinstance(name, str):
            raise LockError(f"{self.where}: name {name!r} is no text")
        return canonicalize_name(name)

    @property
    def is_own(self) -> bool:
        return any(key in self.source for key in _OWN)

    def pin(self) -> Pin:
        name, version = self.table.get("name"), self.table.get("version")
        if isinstance(git := self.source.get("git"), str):
            address, _, commit = git.partition("#")
            bare = address.partition("?")[0]
            return pin_of(self.where, name, None, f"git+{bare}@{commit}" if commit else f"git+{bare}")
        if isinstance(url := self.source.get("url"), str):
            return pin_of(self.where, name, None, url)
        return pin_of(self.where, name, version)


@dataclass(frozen=True)
class _Walk:
    entries: Sequence[_Entry]
    target: Target

    def pins(self) -> Iterator[tuple[str, Pin]]:
        """Those that the projects need, here."""
        waiting = [(entry, "") for entry in self.entries if entry.is_own]
        if not waiting:  # no project: all that is for here
            waiting = [(entry, "") for entry in self.entries if self._is_for_here(entry)]
        seen: set[tuple[str, str]] = set()
        while waiting:
            entry, extra = waiting.pop()
            if (entry.where, extra) in seen:
                continue
            seen.add((entry.where, extra))
            if not entry.is_own:
                yield entry.where, entry.pin()
            waiting += self._needed(entry, extra)

    def _needed(self, entry: _Entry, extra: str) -> Iterator[tuple[_Entry, str]]:
        listed = entry.table.get("dependencies", [])
        where = f"{entry.where}.dependencies"
        if extra:
            listed = table_of(entry.where, entry.table, "optional-dependencies").get(extra, [])
            where = f"{entry.where}.optional-dependencies.{extra}"
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            raise LockError(f"{where}: it is no list of tables")
        for at, one in enumerate(listed):
            place = f"{where}[{at}]"
            if not self.target.fits(marker_of(place, one), f"{place}.marker", extra=extra):
                continue
            found = self._find(place, one)
            yield found, ""
            extras = one.get("extra", [])
            yield from ((found, str(each)) for each in (extras if isinstance(extras, list) else []))

    def _find(self, where: str, wanted: Mapping[str, Any]) -> _Entry:
        name, version = wanted.get("name"), wanted.get("version")
        if not isinstance(name, str):
            raise LockError(f"{where}: name {name!r} is no text")
        named = [entry for entry in self.entries if entry.name == canonicalize_name(name)]
        if version is not None:
            named = [entry for entry in named if entry.table.get("version") == version]
        if "source" in wanted:
            named = [entry for entry in named if entry.source == wanted["source"]]
        fitting = [entry for entry in named if self._is_for_here(entry)]
        if not named:
            raise LockError(f"{where}: {name} is needed, but there is no such [[package]]")
        return (fitting or named)[0]

    def _is_for_here(self, entry: _Entry) -> bool:
        markers = entry.table.get("resolution-markers", [])
        if not isinstance(markers, list):
            raise LockError(f"{entry.where}: resolution-markers is {markers!r}, not a list")
        where = f"{entry.where}.resolution-markers"
        return not markers or any(self.target.fits(marker_of(where, {"marker": one}), where) for one in markers)
