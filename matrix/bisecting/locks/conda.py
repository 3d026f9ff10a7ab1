"""``conda env export``: the part that pip installed, and the Python."""

from __future__ import annotations

import re
from typing import Any

import yaml

from matrix.bisecting.locks import requirements
from matrix.bisecting.locks.interface import Locked, LockError, Target


def recognises(name: str, text: str) -> bool:
    """By its name, and by the list that every one has."""
    return name.endswith((".yml", ".yaml")) or re.search(r"^dependencies:\s*$", text, re.MULTILINE) is not None


def read(text: str, target: Target) -> Locked:
    """
    What conda itself installed is left out: it comes from other places than pip's packages.

    :raises LockError: it is no such file, or has no pip part.
    """
    try:
        document: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise LockError(f"not YAML: {' '.join(str(error).split())}") from None
    listed = document.get("dependencies") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise LockError("dependencies: it is missing, or no list")
    python, by_pip = None, None
    for at, one in enumerate(listed):
        if isinstance(one, dict) and "pip" in one:
            by_pip = one["pip"]
        elif isinstance(one, str):
            found = re.match(r"(?:\S+::)?python=+(\d+\.\d+)", one)
            python = found[1] if found else python
        elif one is not None:
            raise LockError(f"dependencies[{at}]: {one!r} is neither a package nor pip's list")
    if not isinstance(by_pip, list) or not all(isinstance(one, str) and "\n" not in one for one in by_pip):
        raise LockError('dependencies: it has no part "pip:" with a list of packages; conda\'s own are not compared')
    try:
        found_pins = requirements.read("\n".join(by_pip), target)
    except LockError as error:
        raise LockError(f"dependencies, pip: {error}") from None
    return Locked(found_pins.pins, found_pins.options, python)
