"""What the evidence tells of those who stand beside a thread that waits: the question that several matchers ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from probes import code
from probes.causes.interface import Finding

Rows = Sequence[tuple[str, str]]
"""Function and file of each call, innermost first."""


def nobody_in_process(finding: Finding) -> bool:
    """Whether no other Python thread of its process is left that does anything but wait without end."""
    beside = finding.details.get("beside")
    return beside is not None and all(thread["stands"] for thread in beside["threads"])


def nobody_in_family(finding: Finding) -> bool:
    """The same of all processes of the run, each with every Python thread that it has."""
    beside = finding.details.get("beside")
    if beside is None:
        return False
    return nobody_in_process(finding) and all(process["stands"] for process in beside["processes"])


def wait(finding: Finding) -> dict[str, Any] | None:
    """What the thread that stands still waits on, also where the one that it waits for is known to be dead."""
    found: dict[str, Any] | None = finding.wait or finding.details.get("beside", {}).get("wait")
    return found


def processes(finding: Finding) -> list[dict[str, Any]]:
    """The living processes of the run, with what their main threads do."""
    return list(finding.details.get("beside", {}).get("processes") or ())


def rows_of(described: dict[str, Any]) -> list[tuple[str, str]]:
    """The stack of a thread or process as the evidence describes it."""
    return [(code.bare(function), file) for function, file, _ in described["frames"]]


def calls_of_standard_library(rows: Rows, module: str) -> list[str]:
    """
    The functions of one module of the standard library that a stack is in before any code of the user's comes.

    :param module: the end of its path, as ``/queue.py``.
    """
    found = []
    for function, file in rows:
        if code.library(file) != "python":
            break
        if file.endswith(module):
            found.append(function)
    return found


def waits_on_condition(rows: Rows) -> bool:
    """Whether a stack ends in the wait for a notification, not for the lock that goes with it."""
    return bool(rows) and rows[0][0] == "wait" and calls_of_standard_library(rows[:1], "/threading.py") == ["wait"]
