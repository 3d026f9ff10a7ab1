"""A GPU that is idle, and a call of its driver that does not come back."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    waits = finding.details.get("waits-for-gpu")
    return finding.verdict is Verdict.BLOCKED and waits is not None and waits.get("gpu") == "idle"


CAUSE = Cause(
    id="gpu-silent",
    title="the training waits in the GPU's driver, and the GPU is idle",
    explanation=(
        "The driver waits for an answer, a lock or an event that does not come, while the GPU has nothing to do: it "
        "may have fallen off the bus or be in the middle of a reset, another process may hold the driver, or the "
        "event that is waited for was never queued."
    ),
    advice=(
        "Look for NVRM and Xid lines in the kernel's log (dmesg): they name the driver's trouble. Without any, look "
        "at what the line that is told here waits for; device=cpu tells whether the GPU has a part in it."
    ),
    reference="https://docs.nvidia.com/deploy/xid-errors/index.html",
    matches=_matches,
)
