"""What the checks may look at: files below a root, and the few facts that stand in no file."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from probes import carry, stacks
from probes.doctor.examined import Examined
from probes.heap import ladder as heap_ladder
from probes.system import cgroup, gpu

_TRIES = 5


@dataclass(frozen=True)
class Space:
    """A file system's room, in bytes."""

    free: int
    total: int


@dataclass(frozen=True)
class Gpus:
    """What the NVIDIA driver says."""

    driver: str | None
    cuda: tuple[int, int] | None
    """Newest CUDA that it serves."""
    readings: tuple[gpu.GpuReading, ...]


@dataclass(frozen=True)
class Machine:
    """One machine, or a planted one in tests."""

    root: Path
    environ: Mapping[str, str]
    examined: Examined
    user: int
    cores: int
    """That we may run on."""
    core_limit_bytes: int | None
    """``ulimit -c``; None is unlimited."""
    thread_limit: int | None
    """``ulimit -u``; None is unlimited."""
    py_spy: str | None
    uv: str | None
    glibc: tuple[int, int] | None
    library_folders: tuple[Path, ...]
    """Where the loader finds shared libraries."""
    temporary: Path
    """Where temporary files go."""
    space: Callable[[Path], Space | None]
    """Of the file system that a path lies on; None if that can't be told."""
    gpus: Callable[[], Gpus | None]
    """None without a driver."""
    agent_start_s: Callable[[], float | None]
    """What the agent adds to the start of a Python; None if it could not be measured."""

    def text(self, path: str) -> str | None:
        """A file's text, stripped; None if it is missing or can't be read."""
        try:
            return (self.root / path.lstrip("/")).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        return (self.root / path.lstrip("/")).exists()

    @property
    def release(self) -> str:
        """Of the kernel; empty if unknown."""
        return self.text("/proc/sys/kernel/osrelease") or ""

    @property
    def is_wsl(self) -> bool:
        return "microsoft" in self.release.lower()

    @property
    def groups(self) -> cgroup.Reading:
        return cgroup.Groups(None, self.root).read()

    def status(self, key: str) -> str | None:
        """A line of our own ``/proc/self/status``."""
        for line in (self.text("/proc/self/status") or "").splitlines():
            name, _, value = line.partition(":")
            if name == key:
                return value.strip()
        return None

    @property
    def container(self) -> str | None:
        """The kind of container that we are in, as far as it shows; None if it does not."""
        if self.exists("/.dockerenv"):
            return "Docker"
        if self.exists("/run/.containerenv"):
            return "Podman"
        # Of the mounts only the root tells: a host on which Docker runs sees its containers' among its own.
        mounts = (self.text("/proc/self/mountinfo") or "").splitlines()
        roots = [line for line in mounts if line.split(" ")[4:5] == ["/"]]
        told = "\n".join([self.text("/proc/self/cgroup") or "", *roots])
        signs = {"/kubepods": "Kubernetes", "/docker": "Docker", "/containerd": "containerd", "/lxc": "LXC"}
        return next((name for sign, name in signs.items() if sign in told), None)


def this_machine(examined: Examined, *, uv: str | None) -> Machine:
    """
    The machine that we run on.

    :param uv: path of the uv that a matrix would use.
    """
    loader = heap_ladder.this_machine()
    return Machine(
        root=Path("/"),
        environ=os.environ,
        examined=examined,
        user=os.geteuid(),
        cores=len(os.sched_getaffinity(0)),
        core_limit_bytes=_soft(resource.RLIMIT_CORE),
        thread_limit=_soft(resource.RLIMIT_NPROC),
        py_spy=_py_spy(),
        uv=uv,
        glibc=loader.glibc,
        library_folders=loader.folders,
        temporary=Path(tempfile.gettempdir()),
        space=_space,
        gpus=_gpus,
        agent_start_s=_agent_start_s,
    )


def _py_spy() -> str | None:
    try:
        return stacks.find_py_spy()
    except stacks.PySpyMissingError:
        return None


def _soft(which: int) -> int | None:
    value, _ = resource.getrlimit(which)
    return None if value == resource.RLIM_INFINITY else value


def _space(path: Path) -> Space | None:
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return None
    return Space(usage.free, usage.total)


def _gpus() -> Gpus | None:
    library = gpu.load()
    if library is None:
        return None
    try:
        nvml = gpu.Nvml(library)
    except gpu.NvmlError:
        return None
    return Gpus(nvml.driver(), nvml.cuda(), nvml.read())


def _agent_start_s() -> float | None:
    """On our own Python, in pairs; the agent uses the standard library only, so it is much the same elsewhere."""
    with tempfile.TemporaryDirectory(prefix="freezelab-doctor-") as folder:
        bare = {**os.environ, "PYTHONPATH": ""}
        carried = carry.environment(bare, Path(folder))
        added = []
        for _ in range(_TRIES):
            without, with_agent = _start_s(bare), _start_s(carried)
            if without is None or with_agent is None:
                return None
            added.append(with_agent - without)
    return max(median(added), 0.0)


def _start_s(env: Mapping[str, str]) -> float | None:
    began = time.monotonic()
    try:
        subprocess.run([sys.executable, "-c", "pass"], env=dict(env), check=True, timeout=30, capture_output=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return time.monotonic() - began
