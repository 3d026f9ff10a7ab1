"""What ``freezelab doctor`` found, as text and as JSON."""

from __future__ import annotations

from typing import Any

from probes.doctor import Examined, Findings, Level

SCHEMA = "freezelab.doctor/1"
_SIGNS = {Level.OK: "ok     ", Level.WARNING: "warning", Level.BLOCKS: "BLOCKS "}


def text(findings: Findings) -> str:
    """One line for each finding, and one for what helps."""
    width = max(len(check) for check in findings)
    lines = []
    for check, found in findings.items():
        for item in found:
            blocked = f" [blocks {', '.join(item.blocks)}]" if item.blocks else ""
            lines.append(f"{_SIGNS[item.level]}  {check:{width}}  {item.says}{blocked}")
            if item.remedy is not None:
                lines.append(f"{'':{width + 11}}what helps: {item.remedy}")
    return "\n".join(lines)


def as_json(findings: Findings, examined: Examined) -> dict[str, Any]:
    """One document."""
    return {
        "schema": SCHEMA,
        "python": {"path": str(examined.python), "version": ".".join(map(str, examined.version))},
        "blocks_observing": blocks_observing(findings),
        "findings": [{"check": check, **item.to_json()} for check, found in findings.items() for item in found],
    }


def blocks_observing(findings: Findings) -> bool:
    """Whether a run can't be observed on this machine."""
    return any(item.blocks_observing for found in findings.values() for item in found)
