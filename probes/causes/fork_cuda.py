"""CUDA after a fork."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_MESSAGE = "Cannot re-initialize CUDA in forked subprocess"


def _matches(finding: Finding) -> bool:
    error = finding.error
    return (
        finding.verdict is Verdict.EXCEPTION
        and error is not None
        and error.message.startswith(_MESSAGE)
        and error.raised_in(("_lazy_init",), "/torch/cuda/")
    )


CAUSE = Cause(
    id="fork-after-cuda",
    title="the process was forked after its parent had used CUDA, and used it too",
    explanation=(
        "The driver's state can't be carried through a fork, so torch refuses at the first use in the child. The "
        "parent uses CUDA as soon as a model or a tensor is put there, or a device is asked for its properties."
    ),
    advice=(
        "Start workers with start_method=forkserver or spawn, or keep CUDA out of environments: they are quicker "
        "with numpy, and each process that uses CUDA holds some hundred MB of the GPU's memory."
    ),
    reference="https://docs.pytorch.org/docs/stable/notes/multiprocessing.html#cuda-in-multiprocessing",
    matches=_matches,
)
