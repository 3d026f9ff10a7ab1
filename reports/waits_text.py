"""Who waits for whom: the wait graph of a diagnosis as a table, and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from probes.diagnosis import Diagnosis
from reports import markdown as md

_KIND = "wait-graph"
_UNKNOWN = "no-agent"


def section(diagnosis: Diagnosis) -> Iterable[str]:
    """The part of the report, if anybody looked."""
    graph = _detail(diagnosis)
    if graph is not None:
        yield "## Who waits for whom"
        yield md.table(graph["columns"], [[md.text(cell or "—") for cell in row] for row in graph["rows"]])


def text(diagnosis: Diagnosis) -> str:
    """One thread a line, its place below it, and what could not be known."""
    graph = _detail(diagnosis)
    lines = []
    for who, what, for_whom, where in graph["rows"] if graph is not None else ():
        waits = what if what.startswith(("has ", "is ", "runs")) else f"waits on {what}"
        lines.append(f"{who}: {waits}{f' for {for_whom}' if for_whom else ''}")
        if where:
            lines.append(f"    in {where}")
    lines += [f"not known: {item.says}" for item in diagnosis.evidence if item.kind == _UNKNOWN]
    return "\n".join(lines)


def _detail(diagnosis: Diagnosis) -> dict[str, Any] | None:
    return next((item.detail for item in diagnosis.evidence if item.kind == _KIND), None)
