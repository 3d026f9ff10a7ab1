"""What a run ran on: interpreter, packages, processor, GPU, WSL. Read from files; nothing is executed."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from probes.system.gpu import GpuReading


def describe(facts: dict[str, Any] | None, gpus: Sequence[GpuReading] | None = None) -> dict[str, Any]:
    """
    :param facts: what the agent said of the process; None if there was no agent.
    :param gpus: what the driver said; None if it was not asked or did not answer.
    :return: the ``environment`` of a diagnosis. Unknown is None.
    """
    process = (facts or {}).get("process") or {}
    return {
        "python": process.get("python"),
        "platform": platform.platform(),
        "packages": _packages(process.get("site") or []),
        "cpu": {"model": _cpu_model(), "cores": len(os.sched_getaffinity(0))},
        "gpu": ", ".join(gpu.name for gpu in gpus or () if gpu.name) or _gpu(),
        "wsl": "microsoft" in platform.release().lower(),
    }


def _packages(folders: list[str]) -> dict[str, str]:
    """Name to version of what is installed in site-packages folders, from the names of their metadata."""
    found: dict[str, str] = {}
    for folder in folders:
        for path in sorted(Path(folder).glob("*.dist-info")):
            name, _, version = path.name.removesuffix(".dist-info").partition("-")
            found.setdefault(name.lower().replace("_", "-"), version)
    return found


def _cpu_model() -> str | None:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or None


def _gpu() -> str | None:
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        try:
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.startswith("Model:"):
                    return line.partition(":")[2].strip()
        except OSError:
            continue
    return None
