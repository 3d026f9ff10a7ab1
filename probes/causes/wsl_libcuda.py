"""The CUDA driver of Windows is not found from within WSL."""

from __future__ import annotations

import re

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_MESSAGE = re.compile(
    r"^Found no NVIDIA driver on your system|libcuda\.so[.\d]*: |CUDA driver initialization failed|"
    r"cudaGetDeviceCount\(\)\. .*(Error 500: named symbol not found|Error 100: no CUDA-capable device|"
    r"Error 2: out of memory|Error 304: OS call failed)"
)


def _matches(finding: Finding) -> bool:
    error = finding.error
    return (
        finding.verdict is Verdict.EXCEPTION
        and error is not None
        and bool(finding.facts.get("wsl"))
        and error.type in ("RuntimeError", "OSError", "ImportError")
        and _MESSAGE.search(error.message) is not None
        and any("/torch/" in file for _, file in error.frames)
    )


CAUSE = Cause(
    id="wsl-libcuda",
    title="torch could not start CUDA's driver library, which under WSL is the one that Windows provides",
    explanation=(
        "Under WSL the driver is Windows' own: its libcuda.so lies in /usr/lib/wsl/lib. A Linux driver "
        "installed inside, a library path that finds another libcuda first, or a Windows driver that is too old "
        "make its start fail."
    ),
    advice=(
        "Remove NVIDIA's Linux driver packages from within WSL, have /usr/lib/wsl/lib first on the library "
        "path, update the driver in Windows, and run wsl --shutdown before the next try."
    ),
    reference="https://docs.nvidia.com/cuda/wsl-user-guide/index.html",
    matches=_matches,
)
