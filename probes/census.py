"""What the calls that the agent counted in one minibatch say: see ``agent/census.py``."""

from __future__ import annotations

from typing import Any

from probes import code

_MIN_LOOP_CALLS = 16
"""A module that runs so many times in one minibatch, called from one place, is run step by step."""


def module_loops(census: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows in which a torch module was called again and again on one object, by code that is not torch's own."""
    return [row for row in census.get("rows", []) if _is_module_loop(row)]


def _is_module_loop(row: dict[str, Any]) -> bool:
    return (
        row["calls"] >= _MIN_LOOP_CALLS
        and "call_impl" in row["callee"]
        and not code.is_engine(row["caller_file"])
        and row["calls"] / max(row["caller_invocations"], 1) >= _MIN_LOOP_CALLS / 2
    )
