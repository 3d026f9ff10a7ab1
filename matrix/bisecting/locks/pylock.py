"""``pylock.toml``, by PEP 751."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

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

_NAME = re.compile(r"pylock(\.[^.]+)?\.toml")


def recognises(name: str, text: str) -> bool:
    """By its name, or by what every one begins with."""
    return _NAME.fullmatch(name) is not None or re.search(r"^lock-version\s*=", text, re.MULTILINE) is not None


def read(text: str, target: Target) -> Locked:
    """
    What is installed without extras, with the default groups.

    :raises LockError: it is no such file.
    """
    document = read_toml(text)
    version = document.get("lock-version")
    if not isinstance(version, str) or not version.startswith("1."):
        raise LockError(f'lock-version is {version!r}; "1.0" is known')
    groups = document.get("default-groups", [])
    if not isinstance(groups, list) or not all(isinstance(one, str) for one in groups):
        raise LockError(f"default-groups is {groups!r}, not a list of names")
    pins = []
    for where, package in packages_of(document, "packages"):
        more = {"extras": set[str](), "dependency_groups": set(groups)}
        if target.fits(marker_of(where, package), f"{where}.marker", **more) and (pin := _pin(where, package)):
            pins.append((where, pin))
    return locked(pins)


def _pin(where: str, package: Mapping[str, Any]) -> Pin | None:
    name = package.get("name")
    if "directory" in package:
        return None  # the project itself, as a rule
    if "vcs" in package:
        vcs = table_of(where, package, "vcs")
        if not all(isinstance(vcs.get(key), str) for key in ("type", "url", "commit-id")):
            raise LockError(f"{where}.vcs: it needs type, url and commit-id")
        return pin_of(where, name, None, f"{vcs['type']}+{vcs['url']}@{vcs['commit-id']}")
    if "archive" in package:
        url = table_of(where, package, "archive").get("url")
        if not isinstance(url, str):
            raise LockError(f"{where}.archive: only one with a url can be fetched")
        return pin_of(where, name, None, url)
    return pin_of(where, name, package.get("version"))
