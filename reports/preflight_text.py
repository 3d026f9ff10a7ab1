"""What was known of a run beforehand, as lines and as a section of its report."""

from __future__ import annotations

from collections.abc import Iterator

from probes.diagnosis import Diagnosis
from probes.preflight import KIND, Warned
from reports import markdown as md


def line(item: Warned) -> str:
    """One line while the run goes on."""
    return item.line if item.is_notice else f"{item.line}; what helps: {item.advice}"


def section(diagnosis: Diagnosis) -> Iterator[str]:
    """What could have been told before the first update; what its first minibatch told is in the evidence."""
    found = [item.detail for item in diagnosis.evidence if item.kind == KIND and not item.detail.get("measured")]
    if not found:
        return
    steps = [step for detail in found if isinstance(step := detail.get("before_step"), int)]
    yield f"## Known before step {min(steps)}" if steps else "## Known when learning began"
    yield "\n".join(
        f"- **{md.text(str(detail['what']))}**: {md.text(str(detail['why']))}. What helps: "
        f"{md.text(str(detail['advice']))}."
        for detail in found
    )
