"""
``flush-denormal``: subnormal numbers count as zero.

The switch is a register of each thread, which a new thread, and a forked process, takes over from the one that starts
it. torch's own function sets it for the thread that calls it; threads that are there already, such as those of a pool
that computes, keep theirs. So it is set before the program's first line, and confirmed once torch is imported.
"""

from __future__ import annotations

import ctypes
import platform
from typing import Any

from . import log
from .interface import DoesNotFitError, Patch, Remedy

ID = "flush-denormal"
_MXCSR = 7
"""Place of the register among the 32-bit words of glibc's ``fenv_t`` on x86-64."""
_FLUSH_TO_ZERO, _DENORMALS_ARE_ZERO = 0x8000, 0x0040


def _begin(value: str) -> None:
    if platform.machine() != "x86_64":
        return  # only from torch's import on, and on threads that are started after it
    libm = ctypes.CDLL("libm.so.6")
    words = (ctypes.c_uint32 * 16)()
    if libm.fegetenv(words) == 0:
        words[_MXCSR] |= _FLUSH_TO_ZERO | _DENORMALS_ARE_ZERO
        libm.fesetenv(words)


def _patch(torch: Any) -> None:
    if not torch.set_flush_denormal(True):
        raise DoesNotFitError("torch can't on this processor")
    log.note(ID, log.APPLIED, "subnormal numbers count as zero")


def _patches(value: str) -> dict[str, Patch]:
    return {"torch": _patch}


REMEDY = Remedy(
    id=ID,
    changes="numbers below 1.2e-38 (float32) or 2.2e-308 (float64) count as zero, in torch, numpy and Python alike, on "
    "every thread of the process and of its workers",
    results="Bit by bit the same unless such numbers occur; where they do, each is off by less than 1.2e-38. numpy may "
    "warn that its smallest subnormal is zero.",
    patches=_patches,
    begin=_begin,
    cures=("subnormal-numbers",),
)
