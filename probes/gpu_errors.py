"""What torch says of errors on a GPU."""

from __future__ import annotations

_LATE = "might be asynchronously reported"
"""In torch's message unless CUDA_LAUNCH_BLOCKING made every call wait for its work (c10/cuda/CUDAMiscFunctions)."""


def is_late(message: str) -> bool:
    """Whether the error may have been told at a later call than the one that it is of."""
    return message.startswith("CUDA error: ") and _LATE in message
