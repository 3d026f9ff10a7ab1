"""No room left for shared memory."""

from __future__ import annotations

import re

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_CREATORS = (
    (("__init__",), "/multiprocessing/shared_memory.py"),
    (("__init__",), "/multiprocessing/heap.py"),
)
_TORCH = re.compile(
    r"unable to (write to|resize|allocate shared memory\(shm\) for) file </\w+>.*No space left on device|"
    r"out of shared memory",
    re.DOTALL,
)


def _matches(finding: Finding) -> bool:
    if finding.verdict is Verdict.CRASH:
        return finding.signal == "SIGBUS" and any(
            found["full"] for found in finding.details.get("broken-mapping", {}).get("mappings") or ()
        )
    error = finding.error
    if finding.verdict not in (Verdict.EXCEPTION, Verdict.OOM) or error is None:
        return False
    refused = error.type == "OSError" and "[Errno 28]" in error.message
    by_python = refused and any(error.raised_in(functions, file) for functions, file in _CREATORS)
    by_torch = error.type == "RuntimeError" and _TORCH.search(error.message) is not None
    return by_python or by_torch


CAUSE = Cause(
    id="shared-memory-full",
    title="there was no room left in the file system that shared memory, or a mapped file, lies in",
    explanation=(
        "Arrays and tensors that processes share lie in /dev/shm, which is 64 MB in a container unless more is "
        "asked for, and half of the memory elsewhere. One that does not fit is refused, or ends in a bus error "
        "where it is first written to."
    ),
    advice=(
        "Start the container with --shm-size or --ipc=host, free what earlier runs left in /dev/shm, or share less."
    ),
    reference="https://docs.docker.com/reference/cli/docker/container/run/",
    matches=_matches,
)
