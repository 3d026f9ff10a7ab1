"""How much memory trials may take on this machine."""

from __future__ import annotations

from probes.system import cgroup
from probes.system.readings import machine_memory


def free_bytes() -> int | None:
    """
    What could be taken now without anybody being killed for it: the least of what the machine has available and what
    the control group's limit leaves. None where neither can be read.
    """
    available, _ = machine_memory()
    groups = cgroup.Groups(None).read()
    known = [] if available is None else [available]
    if groups.memory_limit_bytes is not None and groups.memory_used_bytes is not None:
        known.append(max(groups.memory_limit_bytes - groups.memory_used_bytes, 0))
    return min(known, default=None)
