"""What the control group we live in has counted."""

from __future__ import annotations

from pathlib import Path


def out_of_memory_kills() -> int | None:
    """Processes of our memory cgroup that the kernel has killed for want of memory; None if it can't be read."""
    for path in _event_files():
        try:
            for line in path.read_text(encoding="utf-8").splitlines():
                key, _, value = line.partition(" ")
                if key == "oom_kill" and value.strip().isdigit():
                    return int(value)
        except OSError:
            continue
    return None


def _event_files() -> list[Path]:
    """Candidates under cgroup v2, then v1."""
    files = []
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if not colon:
            continue
        relative = path.lstrip("/")
        if not controllers:
            files.append(Path("/sys/fs/cgroup", relative, "memory.events"))
        elif "memory" in controllers.split(","):
            files.append(Path("/sys/fs/cgroup/memory", relative, "memory.oom_control"))
    return files
