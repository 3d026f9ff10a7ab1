"""``threads=N``: as many threads for torch, OpenMP and the BLAS libraries, whatever the program asks for itself."""

from __future__ import annotations

import functools
import os
from typing import Any

from . import log
from .interface import Parameter, Patch, Remedy, whole_number

ID = "threads"
_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def _begin(value: str) -> None:
    # Read by the libraries when they are loaded; and by the processes that this one starts.
    for variable in _VARIABLES:
        os.environ[variable] = value
    limit = os.environ.get("OMP_THREAD_LIMIT", "")
    if limit.isdecimal() and int(limit) < int(value):
        del os.environ["OMP_THREAD_LIMIT"]  # a limit below the number of threads hangs some OpenMP runtimes


def _patch(number: int, torch: Any) -> None:
    set_num_threads = torch.set_num_threads
    set_num_threads(number)

    @functools.wraps(set_num_threads)
    def keep(asked_for: int) -> None:
        set_num_threads(number)

    torch.set_num_threads = keep
    if torch.get_num_threads() == number:
        log.note(ID, log.APPLIED, "the threads that torch computes with: %d" % number)
    else:
        log.note(ID, log.REFUSED, "the threads that torch computes with are still %d" % torch.get_num_threads())


def _patches(value: str) -> dict[str, Patch]:
    return {"torch": functools.partial(_patch, int(value))}


REMEDY = Remedy(
    id=ID,
    changes="torch, OpenMP and the BLAS libraries compute with N threads; what the program asks for by "
    "torch.set_num_threads is passed over",
    results="Sums are split up in another way, so that numbers may differ in their last bits (about 1e-7) and a seeded "
    "run is repeated only under the same N.",
    patches=_patches,
    begin=_begin,
    parameter=Parameter(
        "N",
        "threads of each process",
        whole_number,
        found="the CPU quota of the control group and the cores that the command may use, whichever is less",
    ),
    cures=("too-many-threads", "cpu-quota"),
)
