"""More of the GPU's memory than there is."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    error = finding.error
    return (
        finding.verdict is Verdict.OOM
        and error is not None
        and error.type in ("OutOfMemoryError", "RuntimeError", "AcceleratorError")
        and error.message.startswith(("CUDA out of memory", "CUDA error: out of memory"))
    )


CAUSE = Cause(
    id="gpu-memory-full",
    title="the GPU's memory was used up",
    explanation=(
        "Torch asked for more than was free. What the message calls in use by this process is its own, tensors that "
        "something keeps among it; the rest of the GPU's memory belongs to other processes, such as workers that "
        "use CUDA too, or a run before this one that still lives."
    ),
    advice=(
        "Take a smaller batch_size, look at what keeps tensors of every step (append(loss) keeps the whole graph; "
        "loss.item() does not), and see in nvidia-smi who else is there."
    ),
    reference="https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-memory-management",
    matches=_matches,
)
