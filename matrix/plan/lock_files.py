"""Whole lock files as library sets: requirements files in which every package is pinned, as uv and pip write them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement

_INDEX_OPTIONS = ("--index-url", "--extra-index-url", "--find-links", "-i", "-f")
"""Options that say where packages are; all others would bring in what is not in the file."""
_HASH = re.compile(r"\s--hash[=\s]\S+")


class LockFileError(ValueError):
    """Not a lock file; the message names the line and what would be right there."""


def read_lock(text: str) -> str:
    """
    The file's content, one requirement a line, without comments: two files that pin the same are the same text.

    :raises LockFileError: a line pins nothing, or there is none.
    """
    lines = [_checked(number, line) for number, line in _lines(text)]
    if not any(not line.startswith("-") for line in lines):
        raise LockFileError('it pins no package; each line is to read as "torch==2.13.0"')
    return "\n".join(lines) + "\n"


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Logical lines with their numbers: a backslash continues one, a comment ends one."""
    begun = 0
    parts: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        begun = begun if parts else number
        bare = re.sub(r"(^|\s)#.*", "", line).rstrip()
        parts.append(bare.removesuffix("\\").strip())
        if not bare.endswith("\\"):
            if whole := " ".join(filter(None, parts)):
                yield begun, whole
            parts = []
    if whole := " ".join(filter(None, parts)):
        yield begun, whole


def _checked(number: int, line: str) -> str:
    if line.startswith("-"):
        if line.split("=")[0].split()[0] in _INDEX_OPTIONS:
            return line
        raise LockFileError(f"line {number}: {line!r} is no pinned package; a lock file holds all of them itself")
    bare = _HASH.sub("", f" {line}").strip()
    try:
        requirement = Requirement(bare)
    except InvalidRequirement:
        raise LockFileError(f'line {number}: {bare!r} is no requirement; write it as "torch==2.13.0"') from None
    pins = [one for one in requirement.specifier if one.operator in ("==", "===") and not one.version.endswith(".*")]
    if not pins and requirement.url is None:
        raise LockFileError(
            f"line {number}: {bare!r} is not pinned to one release; "
            'write "NAME==VERSION", or make the file with: uv pip compile requirements.txt'
        )
    return line
