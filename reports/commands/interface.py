"""What all commands share: exit codes, the error of bad usage, and kinds of arguments."""

from __future__ import annotations

import argparse
from typing import Any, TypeAlias

from probes.errors import InputError

Commands: TypeAlias = "argparse._SubParsersAction[Any]"
"""Where a command adds itself: its parser, with the function that runs it as the default ``run``."""

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_DIAGNOSED = 3
EXIT_BLIND = 4
EXIT_INTERRUPTED = 130


class UsageError(InputError):
    """What was asked for can't be done so."""


def positive(text: str) -> float:
    """A positive number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds, such as 600")
    return value


def count(text: str) -> int:
    """A positive whole number."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number, such as 2")
    return int(text)
