"""
Utilisation and memory of NVIDIA GPUs, by the driver's own library (NVML) and nothing else.

A driver in trouble can block any call for ever: the calls are made on a thread of their own, and whoever asks gets
the last answer, or None if that is too old to be true.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_NAMES = ("libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1")
_EVERY_S = 0.5
_FRESH_S = 2.0
_MAX_PROCESSES = 256
_TEXT_BYTES = 96
_NOT_AVAILABLE = (1 << 64) - 1
"""What NVML gives for a process's memory where the driver does not tell it, as under Windows and WSL."""


@dataclass(frozen=True)
class GpuReading:
    """One GPU at one moment. What the driver does not tell is None."""

    index: int
    name: str | None
    utilisation: float | None
    """0..1: share of the driver's last sampling period in which a kernel ran."""
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    process_bytes: Mapping[int, int | None] = field(default_factory=dict)
    """Pid to memory, of the processes that compute on it; in the pids of the driver's namespace."""

    def to_json(self) -> dict[str, Any]:
        """A row of ``readings.jsonl``."""
        return {
            "index": self.index,
            "utilisation": self.utilisation,
            "used_mb": _mb(self.memory_used_bytes),
            "total_mb": _mb(self.memory_total_bytes),
            "processes": {str(pid): _mb(used) for pid, used in self.process_bytes.items()},
        }


def _mb(n_bytes: int | None) -> float | None:
    return round(n_bytes / 1e6, 1) if n_bytes is not None else None


class _Utilisation(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Process(ctypes.Structure):
    _fields_ = (
        ("pid", ctypes.c_uint),
        ("used", ctypes.c_ulonglong),
        ("instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    )


class NvmlError(Exception):
    """The driver's library is not there or refuses to work; the text says which."""


class Nvml:
    """
    The few calls of NVML that are needed.

    :param library: what :func:`load` gives; anything with the same functions will do.
    :raises NvmlError: it does not start.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        code = library.nvmlInit_v2()
        if code != 0:
            raise NvmlError(f"NVML does not start (error {code}): is the driver loaded?")

    def driver(self) -> str | None:
        """The driver's version, such as ``550.54.14``."""
        text = ctypes.create_string_buffer(_TEXT_BYTES)
        if self._call("nvmlSystemGetDriverVersion", text, ctypes.c_uint(_TEXT_BYTES)):
            return text.value.decode("utf-8", "replace") or None
        return None

    def cuda(self) -> tuple[int, int] | None:
        """The newest CUDA version that the driver serves."""
        number = ctypes.c_int()
        if self._call("nvmlSystemGetCudaDriverVersion_v2", ctypes.byref(number)):
            return number.value // 1000, number.value % 1000 // 10
        return None

    def read(self) -> tuple[GpuReading, ...]:
        """All GPUs; one that does not answer is left out."""
        count = ctypes.c_uint()
        if not self._call("nvmlDeviceGetCount_v2", ctypes.byref(count)):
            return ()
        readings = (self._device(index) for index in range(count.value))
        return tuple(reading for reading in readings if reading is not None)

    def _device(self, index: int) -> GpuReading | None:
        handle = ctypes.c_void_p()
        if not self._call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle)):
            return None
        name = ctypes.create_string_buffer(_TEXT_BYTES)
        named = self._call("nvmlDeviceGetName", handle, name, ctypes.c_uint(_TEXT_BYTES))
        utilisation = _Utilisation()
        worked = self._call("nvmlDeviceGetUtilizationRates", handle, ctypes.byref(utilisation))
        memory = _Memory()
        remembered = self._call("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory))
        return GpuReading(
            index=index,
            name=name.value.decode("utf-8", "replace") if named else None,
            utilisation=utilisation.gpu / 100 if worked else None,
            memory_used_bytes=int(memory.used) if remembered else None,
            memory_total_bytes=int(memory.total) if remembered else None,
            process_bytes=self._processes(handle),
        )

    def _processes(self, handle: ctypes.c_void_p) -> dict[int, int | None]:
        count = ctypes.c_uint(_MAX_PROCESSES)
        rows = (_Process * _MAX_PROCESSES)()
        if not self._call("nvmlDeviceGetComputeRunningProcesses_v3", handle, ctypes.byref(count), rows):
            return {}
        return {
            int(row.pid): int(row.used) if row.used != _NOT_AVAILABLE else None
            for row in rows[: min(count.value, _MAX_PROCESSES)]
        }

    def _call(self, name: str, *arguments: Any) -> bool:
        """False if the driver has no such call, or it fails."""
        function = getattr(self._library, name, None)
        return function is not None and function(*arguments) == 0


def load() -> Any | None:
    """The driver's library; None where there is none."""
    for name in _NAMES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


class GpuWatch:
    """
    Reads all GPUs twice a second on a thread of its own.

    :param library: see :class:`Nvml`; None where there is none, and then no thread is started.
    """

    def __init__(self, library: Any | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: tuple[float, tuple[GpuReading, ...]] | None = None
        self._stop = threading.Event()
        if library is not None:
            threading.Thread(target=self._follow, args=(library,), name="freezelab-gpu", daemon=True).start()

    def latest(self) -> tuple[GpuReading, ...] | None:
        """The readings of a moment ago; None if there are none or the driver has stopped answering."""
        last = self._last
        return last[1] if last is not None and self._clock() - last[0] <= _FRESH_S else None

    def close(self) -> None:
        """Ends the thread as soon as the driver lets it."""
        self._stop.set()

    def _follow(self, library: Any) -> None:
        try:
            nvml = Nvml(library)
        except NvmlError:
            return
        while not self._stop.is_set():
            readings = nvml.read()
            self._last = (self._clock(), readings)
            self._stop.wait(_EVERY_S)
