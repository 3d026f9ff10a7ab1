"""A piece of work on the GPU that does not end."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    waits = finding.details.get("waits-for-gpu")
    return finding.verdict is Verdict.BLOCKED and waits is not None and waits.get("gpu") == "busy"


CAUSE = Cause(
    id="gpu-works-on",
    title="the training waits for the GPU, which has been at work on one thing all the time",
    explanation=(
        "Kernels are only queued when they are called; the call that needs a result, or finds the queue full, waits. "
        "The driver does so by asking again and again, which looks like work of the processor's. A kernel that "
        "loops without an end, a collective operation (NCCL) whose other side never joined, or simply very much "
        "queued work look alike from here; the load of the GPU says that it is not idle."
    ),
    advice=(
        "What was queued last before the line that is told here is where to look: CUDA_LAUNCH_BLOCKING=1 makes each "
        "call wait for its own work, so that the standstill shows where it comes from. nvidia-smi shows who else "
        "computes there."
    ),
    reference="https://docs.pytorch.org/docs/stable/notes/cuda.html#asynchronous-execution",
    matches=_matches,
)
