"""Whose code a frame is, to a reader: told of stored runs, which another copy of FreezeLab may have watched."""

from __future__ import annotations

from typing import Literal

from probes import code

Owner = Literal["user", "library", "engine"]
_AGENT = "/probes/agent/"
_TYPED = "<string>"
"""What ``python -c`` was given."""


def is_ours(file: str) -> bool:
    """Whether the file is an agent's, of this copy of FreezeLab or of another."""
    return code.is_ours(file) or _AGENT in file


def owner(file: str) -> Owner:
    """The user's own code, a library's, or the engine room's: torch, numpy, Python itself, native code."""
    if file == _TYPED:
        return "user"
    if code.is_engine(file):
        return "engine"
    return "library" if code.library(file) else "user"
