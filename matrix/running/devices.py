"""What this machine can train on, decided without torch: a cell that can't run is not worth an environment."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

CPU = "cpu"
CUDA = "cuda"
MPS = "mps"
NO_CUDA = "no CUDA device"
NO_MPS = "no Apple GPU (MPS)"
_ASK_TIMEOUT_S = 10.0
_WSL_LIBRARY = Path("/usr/lib/wsl/lib")
"""Where WSL2 puts the Windows driver's tools; often not on PATH."""


def why_not(device: object, environ: Mapping[str, str] = os.environ) -> str | None:
    """
    Why nothing can run on ``device`` here.

    :param device: as torch names it (``cpu``, ``cuda``, ``cuda:1``, ``mps``).
    :return: the reason, or None if nothing speaks against it.
    """
    kind, _, number = str(device).partition(":")
    if kind == MPS and sys.platform != "darwin":
        return NO_MPS
    if kind != CUDA:
        return None
    there = len(gpus(environ))
    if not there:
        return NO_CUDA
    return f"no CUDA device {number}: there are {there}" if number.isdecimal() and int(number) >= there else None


def has_cuda(environ: Mapping[str, str] = os.environ, devices: Path = Path("/dev")) -> bool:
    """Whether a program started with ``environ`` finds an NVIDIA GPU."""
    return bool(gpus(environ, devices))


def gpus(environ: Mapping[str, str] = os.environ, devices: Path = Path("/dev")) -> tuple[str, ...]:
    """
    The NVIDIA GPUs that a program started with ``environ`` finds, as ``CUDA_VISIBLE_DEVICES`` names them, in the
    order of torch's ``cuda:N``.

    ``nvidia-smi`` is asked, because a GPU of the host may show in ``/proc`` of a container that has no
    access to it; where the tool is missing, the device files decide.
    """
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    named = None if visible is None else _named(visible)
    if named == ():
        return ()
    there = _count(environ, devices)
    if there == 0 or named is None:
        return tuple(str(place) for place in range(there))
    return tuple(itertools.takewhile(lambda name: not name.isdecimal() or int(name) < there, named))


def _named(visible: str) -> tuple[str, ...]:
    """What the variable lets through: CUDA takes nothing from the first entry on that is not valid."""
    found: list[str] = []
    for name in (part.strip() for part in visible.split(",")):
        if not name or name.startswith("-"):
            break
        found.append(name)
    return tuple(found)


def _count(environ: Mapping[str, str], devices: Path) -> int:
    search = os.pathsep.join([environ.get("PATH", os.defpath), str(_WSL_LIBRARY)])
    tool = shutil.which("nvidia-smi", path=search)
    if tool is None:
        return sum(re.fullmatch(r"nvidia\d+", entry.name) is not None for entry in devices.glob("nvidia*"))
    try:
        answer = subprocess.run(
            [tool, "-L"], capture_output=True, text=True, timeout=_ASK_TIMEOUT_S, check=False, env=dict(environ)
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in answer.stdout.splitlines()) if answer.returncode == 0 else 0
