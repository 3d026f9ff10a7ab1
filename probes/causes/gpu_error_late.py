"""An error of a kernel that is told later, at a call that has nothing to do with it."""

from __future__ import annotations

from probes import gpu_errors
from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    error = finding.error
    return finding.verdict is Verdict.EXCEPTION and error is not None and gpu_errors.is_late(error.message)


CAUSE = Cause(
    id="gpu-error-told-late",
    title="work on the GPU failed, and was told at a later call: the place in the traceback is not where it went wrong",
    explanation=(
        "Kernels are only queued when they are called. One that fails, most often of an index out of range, is "
        "noticed at the next call that waits for the GPU, wherever that is; after it the process can't use the GPU "
        "any more."
    ),
    advice=(
        "Run it once more with CUDA_LAUNCH_BLOCKING=1 in front of the command: then each call waits for its own "
        "work, and the traceback names the line that went wrong. The same on device=cpu often says plainly what it is."
    ),
    reference="https://docs.pytorch.org/docs/stable/notes/cuda.html#asynchronous-execution",
    matches=_matches,
)
