"""Reads inline script metadata as https://peps.python.org/pep-0723/ says that it is read."""

from __future__ import annotations

import re
import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


def metadata(script: str) -> dict[str, Any]:
    """The one block of type ``script``, parsed."""
    [block] = [match for match in _BLOCK.finditer(script) if match["type"] == "script"]
    lines = block["content"].splitlines(keepends=True)
    found: dict[str, Any] = tomllib.loads("".join(line[2:] if line.startswith("# ") else line[1:] for line in lines))
    return found
