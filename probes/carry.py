"""How the agent gets into a command without touching its code or its environment: by environment variables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from probes.agent.layout import FOLDER_VARIABLE, SUPERVISOR_VARIABLE
from probes.agent.remedies import VARIABLE as REMEDIES_VARIABLE

_INJECT = Path(__file__).parent / "agent" / "inject"


def environment(
    base: Mapping[str, str], flight: Path, *, hold: bool = True, remedies: Iterable[str] = ()
) -> dict[str, str]:
    """
    The environment to start a command with.

    :param base: what it would have had.
    :param flight: folder for its flight files, absolute.
    :param hold: whether we shall look at a process that dies; without that it is not held at its death.
    :param remedies: what to change in the run: ``fused-lstm``, ``threads=2``.
    """
    path = base.get("PYTHONPATH", "")
    return {
        **base,
        "PYTHONPATH": f"{_INJECT}{os.pathsep}{path}" if path else str(_INJECT),
        # What is printed must be in the log when the process dies.
        "PYTHONUNBUFFERED": base.get("PYTHONUNBUFFERED") or "1",
        FOLDER_VARIABLE: str(flight),
        SUPERVISOR_VARIABLE: str(os.getpid()) if hold else "",
        REMEDIES_VARIABLE: ",".join(remedies),
    }
