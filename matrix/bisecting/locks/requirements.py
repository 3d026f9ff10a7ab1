"""Requirements files in which every package is pinned, as pip freeze, pip-tools and uv write them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement

from matrix.bisecting.locks.interface import Locked, LockError, Pin, Target, locked, marker_of, pin_of

_PLACES = ("--index-url", "--extra-index-url", "--find-links", "-i", "-f", "--no-index", "--pre", "--prefer-binary")
"""Options that say where packages are, or are harmless."""
_DROPPED = ("--trusted-host", "--only-binary", "--no-binary", "--use-pep517", "--require-hashes")
_OPTIONS = re.compile(r"\s--(?:hash|config-settings?|global-option)[=\s]\S+")


def recognises(name: str, text: str) -> bool:
    """Whatever no other kind is."""
    return True


def read(text: str, target: Target) -> Locked:
    """:raises LockError: a line pins nothing."""
    options = []
    pins = []
    for number, line in _lines(text):
        where = f"line {number}"
        if line.startswith("-"):
            word = re.split(r"[=\s]", line, maxsplit=1)[0]
            if word in _PLACES:
                options.append(line)
            elif word in ("-e", "--editable"):
                pins.append((where, _editable(where, line.removeprefix(word).lstrip("= "))))
            elif word not in _DROPPED:
                raise LockError(f"{where}: {line!r} is no pinned package; a lock file holds all of them itself")
            continue
        if pin := _pin(where, line, target):
            pins.append((where, pin))
    return locked(pins, options=tuple(dict.fromkeys(options)))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Logical lines with their numbers: a backslash continues one, a comment ends one."""
    begun, parts = 0, [""]
    for number, line in enumerate([*text.splitlines(), ""], 1):
        begun = number if parts == [""] else begun
        bare = re.sub(r"(^|\s)#.*", "", line).rstrip()
        parts.append(bare.removesuffix("\\").strip())
        if not bare.endswith("\\"):
            if whole := " ".join(filter(None, parts)):
                yield begun, whole
            parts = [""]


def _editable(where: str, rest: str) -> Pin:
    name = re.search(r"[#&]egg=([A-Za-z0-9._-]+)", rest)
    if name is None or "://" not in rest:
        raise LockError(f"{where}: {rest!r} is a folder of this machine and no release; write NAME==VERSION")
    return pin_of(where, name[1], None, rest.partition("#")[0])


def _pin(where: str, line: str, target: Target) -> Pin | None:
    bare = _OPTIONS.sub("", f" {line}").strip()
    try:
        requirement = Requirement(bare)
    except InvalidRequirement:
        raise LockError(f'{where}: {bare!r} is no requirement; write it as "torch==2.13.0"') from None
    if not target.fits(marker_of(where, {"marker": str(requirement.marker) if requirement.marker else None}), where):
        return None
    if requirement.url is not None:
        return pin_of(where, requirement.name, None, requirement.url)
    clauses = list(requirement.specifier)
    if len(clauses) != 1 or clauses[0].operator not in ("==", "===") or clauses[0].version.endswith(".*"):
        raise LockError(
            f"{where}: {bare!r} is not pinned to one release; "
            'write "NAME==VERSION", or make the file with: uv pip compile requirements.txt'
        )
    return pin_of(where, requirement.name, clauses[0].version)
