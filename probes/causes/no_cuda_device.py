"""CUDA is asked for where there is none to be had."""

from __future__ import annotations

import re

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_MESSAGE = re.compile(
    r"^No CUDA GPUs are available|^Torch not compiled with CUDA enabled|^Found no NVIDIA driver on your system|"
    r"^Attempting to deserialize object on a CUDA device but torch\.cuda\.is_available\(\) is False|"
    r"^CUDA error: (no CUDA-capable device is detected|invalid device ordinal)"
)
_INITIALISERS = ("_lazy_init", "_cuda_init", "_validate_device", "validate_cuda_device", "convert", "_get_device_index")


def _matches(finding: Finding) -> bool:
    error = finding.error
    return (
        finding.verdict is Verdict.EXCEPTION
        and error is not None
        and error.type in ("RuntimeError", "AssertionError", "AcceleratorError")
        and _MESSAGE.search(error.message) is not None
        and error.raised_in(_INITIALISERS, "/torch/")
    )


CAUSE = Cause(
    id="no-cuda-device",
    title="a CUDA device was asked for, but torch finds none that it may use",
    explanation=(
        "Either torch is a build without CUDA, or it sees no driver, or the variable CUDA_VISIBLE_DEVICES names "
        "no device of this machine. The device is first touched when a model is built or loaded, so that is "
        "where it fails."
    ),
    advice=(
        "Use device=auto or cpu, or see what torch.version.cuda, nvidia-smi and CUDA_VISIBLE_DEVICES say; an "
        "empty CUDA_VISIBLE_DEVICES hides every device."
    ),
    reference="https://docs.pytorch.org/docs/stable/notes/cuda.html",
    matches=_matches,
)
