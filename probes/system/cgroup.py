"""
What the control groups of a process allow it and have counted: CPU quota and throttling, memory, processes.

Version 1 and version 2, with or without a namespace of its own. A limit may stand anywhere between the process's
own group and the root: the tightest counts. Whatever can't be read is None: no statement is made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_ROOT = Path("/")
_UNLIMITED_BYTES = 1 << 60
"""Version 1 says "no limit" by a number of this size."""


@dataclass(frozen=True)
class Reading:
    """One moment. The counters grow from the making of the group on."""

    cpu_quota_cores: float | None = None
    """None if there is no quota, or it can't be read."""
    periods: int | None = None
    """Enforcement periods, of the group that has the quota, in which something ran."""
    throttled_periods: int | None = None
    """Those of them that ended with the quota used up."""
    throttled_s: float | None = None
    memory_limit_bytes: int | None = None
    """None if there is no limit, or it can't be read."""
    memory_used_bytes: int | None = None
    """Of the group that has the limit, without the file cache that the kernel gives up first."""
    memory_limit_hits: int | None = None
    """How often the limit was reached and memory had to be reclaimed."""
    oom_kills: int | None = None
    """Processes of the group that the kernel has killed for want of memory."""
    process_limit: int | None = None
    """Most processes and threads together; None if there is no limit, or it can't be read."""

    def to_json(self) -> dict[str, float | int]:
        """What is known, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


def machine_out_of_memory_kills(root: Path = _ROOT) -> int | None:
    """Processes that the kernel has killed for want of memory on the whole machine; None if it can't be read."""
    return parse_flat(_text(root / "proc/vmstat")).get("oom_kill")


class Groups:
    """
    The groups of one process, found once, read as often as wanted.

    :param pid: None is ourselves.
    :param root: where ``proc`` and ``sys`` are; another than ``/`` in tests.
    """

    def __init__(self, pid: int | None, root: Path = _ROOT) -> None:
        # Where *we* find them: the process may see other mounts.
        mounts = parse_mounts(_text(root / "proc/self/mountinfo"))
        members = parse_memberships(_text(root / "proc" / (str(pid) if pid is not None else "self") / "cgroup"))
        self._cpu = _Lineage(_folders("cpu", mounts, members, root))
        self._memory = _Lineage(_folders("memory", mounts, members, root))
        self._pids = _Lineage(_folders("pids", mounts, members, root))

    def read(self) -> Reading:
        """All that can be told now."""
        quota, cpu_folder = self._cpu.tightest(_cpu_quota)
        stat = parse_flat(_text(cpu_folder / "cpu.stat")) if cpu_folder else {}
        limit, memory_folder = self._memory_limit()
        processes, _ = self._pids.tightest(_process_limit)
        return Reading(
            cpu_quota_cores=quota,
            periods=stat.get("nr_periods"),
            throttled_periods=stat.get("nr_throttled"),
            throttled_s=_throttled_s(stat),
            memory_limit_bytes=int(limit) if limit is not None else None,
            memory_used_bytes=_memory_used(memory_folder) if limit is not None else None,
            memory_limit_hits=_limit_hits(memory_folder) if limit is not None else None,
            oom_kills=_oom_kills(memory_folder),
            process_limit=int(processes) if processes is not None else None,
        )

    def oom_kills(self) -> int | None:
        """That figure of :meth:`read` alone."""
        return _oom_kills(self._memory_limit()[1])

    def _memory_limit(self) -> tuple[float | None, Path | None]:
        limit, folder = self._memory.tightest(_memory_limit)
        return limit, folder if folder is not None else self._memory.own


class _Lineage:
    """A process's own group of one controller, and its ancestors."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders

    @property
    def own(self) -> Path | None:
        return self._folders[0] if self._folders else None

    def tightest(self, limit_of: Callable[[Path], float | None]) -> tuple[float | None, Path | None]:
        """The smallest limit, and the group that has it; the innermost of equals."""
        found = [(limit, folder) for folder in self._folders if (limit := limit_of(folder)) is not None]
        return min(found, key=lambda item: item[0]) if found else (None, None)


@dataclass(frozen=True)
class Mount:
    """Where a hierarchy of control groups is mounted."""

    point: str
    root: str
    """The group that is seen at the mount point."""
    controllers: frozenset[str]
    """Of version 1; empty for version 2."""


def parse_mounts(mountinfo: str) -> list[Mount]:
    """The control-group mounts in the text of a ``mountinfo`` file."""
    found = []
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        before, after = left.split(" "), right.split(" ")
        if not dash or len(before) < 5 or after[0] not in ("cgroup", "cgroup2"):
            continue
        options = frozenset(after[-1].split(",")) if after[0] == "cgroup" else frozenset()
        found.append(Mount(before[4], before[3], options))
    return found


def parse_memberships(text: str) -> dict[str, str]:
    """Controller to group path, from the text of a ``cgroup`` file; version 2 under the empty name."""
    found = {}
    for line in text.splitlines():
        _, first, rest = line.partition(":")
        controllers, second, path = rest.partition(":")
        if first and second and path.startswith("/"):
            found.update(dict.fromkeys(controllers.split(","), path))
    return found


def parse_flat(text: str) -> dict[str, int]:
    """``key number`` on each line, as in ``cpu.stat`` and ``memory.events``; other lines are passed over."""
    found = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if value.strip().isdecimal():
            found[key] = int(value)
    return found


def parse_cpu_max(text: str) -> float | None:
    """Cores that version 2's ``cpu.max`` grants; None for ``max`` and for what is not such a file."""
    quota, _, period = text.strip().partition(" ")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) > 0 else None


def _folders(controller: str, mounts: list[Mount], members: dict[str, str], root: Path) -> list[Path]:
    """The process's group of a controller and its ancestors as folders, its own first; empty if not to be found."""
    for mount in mounts:
        path = members.get(controller if mount.controllers else "")
        if path is None or (mount.controllers and controller not in mount.controllers):
            continue
        point = root / mount.point.lstrip("/")
        below = PurePosixPath(path)
        if below.is_relative_to(mount.root):
            below = below.relative_to(mount.root)
        # Without a namespace of its own a container is told a path that it cannot see: it is at the mount point.
        own = point / str(below).lstrip("/")
        if ".." in below.parts or not own.is_dir():
            own = point
        lineage = [own, *own.parents]
        return lineage[: lineage.index(point) + 1]
    return []


def _cpu_quota(folder: Path) -> float | None:
    if (cores := parse_cpu_max(_text(folder / "cpu.max"))) is not None:
        return cores
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota / period if quota is not None and period else None


def _throttled_s(stat: dict[str, int]) -> float | None:
    if "throttled_usec" in stat:
        return stat["throttled_usec"] / 1e6
    return stat["throttled_time"] / 1e9 if "throttled_time" in stat else None


def _memory_limit(folder: Path) -> float | None:
    limit = _number(folder / "memory.max", folder / "memory.limit_in_bytes")
    return limit if limit is not None and limit < _UNLIMITED_BYTES else None


def _memory_used(folder: Path | None) -> int | None:
    if folder is None:
        return None
    used = _number(folder / "memory.current", folder / "memory.usage_in_bytes")
    if used is None:
        return None
    stat = parse_flat(_text(folder / "memory.stat"))
    return max(used - stat.get("total_inactive_file", stat.get("inactive_file", 0)), 0)


def _limit_hits(folder: Path | None) -> int | None:
    if folder is None:
        return None
    hits = parse_flat(_text(folder / "memory.events")).get("max")
    return hits if hits is not None else _number(folder / "memory.failcnt")


def _oom_kills(folder: Path | None) -> int | None:
    if folder is None:
        return None
    for name in ("memory.events", "memory.oom_control"):
        if (kills := parse_flat(_text(folder / name)).get("oom_kill")) is not None:
            return kills
    return None


def _process_limit(folder: Path) -> float | None:
    return _number(folder / "pids.max")


def _number(*paths: Path) -> int | None:
    """The number in the first of these files that holds one; version 1's -1 for "none" is not one."""
    for path in paths:
        text = _text(path).strip()
        if text.isdecimal():
            return int(text)
    return None


def _text(path: Path) -> str:
    """Empty if it can't be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
