"""What all kinds of lock files come down to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from packaging.markers import InvalidMarker, Marker, UndefinedEnvironmentName, default_environment
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class LockError(ValueError):
    """Not a lock file of this kind; the message names line or key, and what would be right there."""


@dataclass(frozen=True)
class Target:
    """Where a lock is to be installed: this machine, and a Python that need not be ours."""

    python: str
    """``3.11``"""

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """What markers are asked about; by PEP 508."""
        own: dict[str, str] = {str(name): str(value) for name, value in default_environment().items()}
        if own["python_version"] == self.python:
            return own
        full = self.python if self.python.count(".") > 1 else f"{self.python}.0"
        return {**own, "python_version": ".".join(self.python.split(".")[:2]), "python_full_version": full}

    def fits(self, marker: str | None, where: str, **more: Any) -> bool:
        """
        Whether something with this marker is for here.

        :param where: of the marker, for the message.
        :param more: what markers of lock files may ask about as well: ``extra``, ``extras``, ``dependency_groups``.
        :raises LockError: it is no marker.
        """
        if not marker:
            return True
        try:
            # Markers of lock files may speak of sets of extras and groups; by PEP 751.
            return Marker(marker).evaluate({**self.environment, "extra": "", **more}, context="lock_file")
        except (InvalidMarker, UndefinedEnvironmentName) as error:
            first = (str(error).splitlines() or ["it is malformed"])[0]
            raise LockError(f"{where}: {marker!r} is no environment marker ({first})") from None


@dataclass(frozen=True)
class Pin:
    """One package of a lock."""

    name: str
    """In canonical form: ``stable-baselines3``."""
    version: str
    """What tells two pins apart: a release, or an address where there is none."""
    url: str | None = None
    """Where it is fetched from, if not by its release from an index."""

    @property
    def line(self) -> str:
        """As for pip."""
        return f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"


@dataclass(frozen=True)
class Locked:
    """A whole lock."""

    pins: Mapping[str, Pin]
    """By canonical name."""
    options: tuple[str, ...] = ()
    """Lines that say where packages are: ``--extra-index-url …``"""
    python: str | None = None
    """If the lock itself holds a Python: ``3.11``."""

    @property
    def versions(self) -> dict[str, str]:
        """Name to version."""
        return {name: pin.version for name, pin in self.pins.items()}

    @property
    def text(self) -> str:
        """As a requirements file."""
        return "\n".join([*self.options, *(self.pins[name].line for name in sorted(self.pins))]) + "\n"


@dataclass(frozen=True)
class Format:
    """One kind of lock file."""

    name: str
    recognises: Callable[[str, str], bool]
    """Told the file's name and its text."""
    read: Callable[[str, Target], Locked]
    """Raises :class:`LockError`."""


def locked(pins: Iterable[tuple[str, Pin]], **more: Any) -> Locked:
    """
    A lock of these pins.

    :param pins: each with its place in the file, for the message.
    :raises LockError: one package is pinned twice, differently; or nothing is pinned.
    """
    found: dict[str, Pin] = {}
    for where, pin in pins:
        earlier = found.setdefault(pin.name, pin)
        if earlier != pin:
            raise LockError(
                f"{where}: {pin.name} is pinned to {pin.version}, but to {earlier.version} before; drop one"
            )
    if not found:
        raise LockError("it pins no package for this machine and this Python")
    return Locked(found, **more)


def pin_of(where: str, name: object, version: object, url: str | None = None) -> Pin:
    """
    A pin of checked parts.

    :raises LockError: no name of a package, or no release.
    """
    if not isinstance(name, str):
        raise LockError(f"{where}: name {name!r} is no text")
    try:
        canonical = canonicalize_name(name, validate=True)
    except InvalidName:
        raise LockError(f"{where}: {name!r} is no name of a package") from None
    if url is not None:
        return Pin(canonical, url, url)
    if not isinstance(version, str):
        raise LockError(f'{where}: {name} has version {version!r}, not a text such as "1.26.4"')
    try:
        return Pin(canonical, str(Version(version)))
    except InvalidVersion:
        raise LockError(f"{where}: {version!r} is no release of {name}") from None


def read_toml(text: str) -> dict[str, Any]:
    """:raises LockError: it is no TOML."""
    try:
        document: dict[str, Any] = tomllib.loads(text)
        return document
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise LockError(f"not TOML: {error}") from None


def packages_of(document: Mapping[str, Any], key: str) -> list[tuple[str, dict[str, Any]]]:
    """
    The tables of a list, each with its place.

    :raises LockError: there is no such list, or something else is in it.
    """
    listed = document.get(key)
    if not isinstance(listed, list):
        raise LockError(f"[[{key}]] is missing")
    for at, one in enumerate(listed):
        if not isinstance(one, dict):
            raise LockError(f"{key}[{at}]: {one!r} is no table")
    return [(f"{key}[{at}]", one) for at, one in enumerate(listed)]


def table_of(where: str, table: Mapping[str, Any], key: str) -> dict[str, Any]:
    """
    A table in a table; empty if it is missing.

    :raises LockError: it is something else.
    """
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise LockError(f"{where}: {key} is {value!r}, not a table")
    return value


def marker_of(where: str, table: Mapping[str, Any], key: str = "marker") -> str | None:
    """:raises LockError: it is no text."""
    value = table.get(key)
    if value is not None and not isinstance(value, str):
        raise LockError(f"{where}: {key} is {value!r}, not a text")
    return value
