"""What this machine can train on, decided without torch: a cell that can't run is not worth an environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

NO_CUDA = "no CUDA device"
_ASK_TIMEOUT_S = 10.0
_WSL_LIBRARY = Path("/usr/lib/wsl/lib")
"""Where WSL2 puts the Windows driver's tools; often not on PATH."""


def why_not(device: object, environ: Mapping[str, str] = os.environ) -> str | None:
    """
    Why nothing can run on ``device`` here.

    :param device: as torch names it (``cpu``, ``cuda``, ``cuda:1``).
    :return: the reason, or None if nothing speaks against it.
    """
    if str(device).partition(":")[0] == "cuda" and not has_cuda(environ):
        return NO_CUDA
    return None


def has_cuda(environ: Mapping[str, str] = os.environ, devices: Path = Path("/dev")) -> bool:
    """
    Whether a program started with ``environ`` finds an NVIDIA GPU.

    ``nvidia-smi`` is asked, because a GPU of the host may show in ``/proc`` of a container that has no
    access to it; where the tool is missing, the device files decide.
    """
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and (not visible.strip() or visible.strip().startswith("-1")):
        return False
    search = os.pathsep.join([environ.get("PATH", os.defpath), str(_WSL_LIBRARY)])
    tool = shutil.which("nvidia-smi", path=search)
    if tool is None:
        return any(re.fullmatch(r"nvidia\d+", entry.name) for entry in devices.glob("nvidia*"))
    try:
        answer = subprocess.run(
            [tool, "-L"], capture_output=True, text=True, timeout=_ASK_TIMEOUT_S, check=False, env=dict(environ)
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and "GPU " in answer.stdout
