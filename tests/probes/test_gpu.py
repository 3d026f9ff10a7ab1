"""NVML, played by an object with the same functions: what it tells, what it refuses, and what hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from probes.system import gpu
from probes.system.gpu import GpuWatch, Nvml, NvmlError

NOT_SUPPORTED = 3


class FakeNvml:
    """A driver with GPUs; each call writes where NVML would, and returns its code."""

    def __init__(self, gpus: int = 1, refuses: tuple[str, ...] = ()) -> None:
        self.gpus = gpus
        self.refuses = refuses
        self.calls = 0

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvml") and name in object.__getattribute__(self, "refuses"):
            return lambda *_: NOT_SUPPORTED
        return object.__getattribute__(self, name)

    def nvmlInit_v2(self) -> int:  # noqa: N802 - NVML's own names
        return 0

    def nvmlSystemGetDriverVersion(self, text: Any, length: Any) -> int:  # noqa: N802
        text.value = b"576.02"
        return 0

    def nvmlSystemGetCudaDriverVersion_v2(self, number: Any) -> int:  # noqa: N802
        number._obj.value = 12090
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        self.calls += 1
        count._obj.value = self.gpus
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> int:  # noqa: N802
        handle._obj.value = 1000 + index.value
        return 0

    def nvmlDeviceGetName(self, handle: Any, text: Any, length: Any) -> int:  # noqa: N802
        text.value = b"NVIDIA GeForce RTX 3060 Laptop GPU"
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle: Any, rates: Any) -> int:  # noqa: N802
        rates._obj.gpu, rates._obj.memory = 90, 40
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:  # noqa: N802
        memory._obj.total, memory._obj.free, memory._obj.used = 6_000_000_000, 2_000_000_000, 4_000_000_000
        return 0

    def nvmlDeviceGetComputeRunningProcesses_v3(self, handle: Any, count: Any, rows: Any) -> int:  # noqa: N802
        rows[0].pid, rows[0].used = 4711, 1_000_000
        rows[1].pid, rows[1].used = 4712, (1 << 64) - 1
        count._obj.value = 2
        return 0


def test_a_gpu_tells_utilisation_memory_and_who_computes_on_it() -> None:
    nvml = Nvml(FakeNvml(gpus=2))
    assert (nvml.driver(), nvml.cuda()) == ("576.02", (12, 9))
    first, second = nvml.read()
    assert (first.index, second.index) == (0, 1)
    assert first.name == "NVIDIA GeForce RTX 3060 Laptop GPU"
    assert (first.utilisation, first.memory_used_bytes, first.memory_total_bytes) == (0.9, 4_000_000_000, 6_000_000_000)
    assert first.process_bytes == {4711: 1_000_000, 4712: None}
    assert first.to_json() == {
        "index": 0,
        "utilisation": 0.9,
        "used_mb": 4000.0,
        "total_mb": 6000.0,
        "processes": {"4711": 1.0, "4712": None},
    }


def test_what_the_driver_refuses_is_unknown_and_nothing_else_suffers() -> None:
    refuses = (
        "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetMemoryInfo",
        "nvmlDeviceGetName",
        "nvmlDeviceGetComputeRunningProcesses_v3",
        "nvmlSystemGetDriverVersion",
        "nvmlSystemGetCudaDriverVersion_v2",
    )
    nvml = Nvml(FakeNvml(refuses=refuses))
    assert (nvml.driver(), nvml.cuda()) == (None, None)
    (reading,) = nvml.read()
    assert (reading.name, reading.utilisation, reading.memory_used_bytes, reading.memory_total_bytes) == (None,) * 4
    assert reading.process_bytes == {}
    assert Nvml(FakeNvml(refuses=("nvmlDeviceGetHandleByIndex_v2",))).read() == ()
    assert Nvml(FakeNvml(refuses=("nvmlDeviceGetCount_v2",))).read() == ()


def test_an_old_driver_that_lacks_a_call_is_no_error() -> None:
    class Old:
        def nvmlInit_v2(self) -> int:  # noqa: N802
            return 0

    assert Nvml(Old()).read() == ()


def test_a_driver_that_does_not_start_says_so() -> None:
    with pytest.raises(NvmlError, match="error 3"):
        Nvml(FakeNvml(refuses=("nvmlInit_v2",)))


def test_the_watch_reads_by_itself_and_ends(wait_until: Callable[..., Any]) -> None:
    library = FakeNvml()
    watch = GpuWatch(library)
    (reading,) = wait_until(watch.latest, 10)
    assert reading.utilisation == 0.9
    watch.close()
    wait_until(lambda: not any(thread.name == "freezelab-gpu" for thread in threading.enumerate()), 10)


def test_a_driver_that_hangs_gives_no_reading_and_stops_nobody() -> None:
    let_go = threading.Event()

    class Hanging(FakeNvml):
        def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
            let_go.wait(30)
            return super().nvmlDeviceGetCount_v2(count)

    watch = GpuWatch(Hanging())
    began = time.monotonic()
    assert watch.latest() is None
    assert time.monotonic() - began < 1
    watch.close()
    let_go.set()


def test_an_answer_that_is_too_old_is_no_answer(wait_until: Callable[..., Any]) -> None:
    now = [100.0]
    watch = GpuWatch(FakeNvml(refuses=()), clock=lambda: now[0])
    wait_until(watch.latest, 10)
    watch.close()
    wait_until(lambda: not any(thread.name == "freezelab-gpu" for thread in threading.enumerate()), 10)
    now[0] += 60
    assert watch.latest() is None


def test_without_a_driver_there_is_nothing_and_no_thread() -> None:
    before = threading.active_count()
    watch = GpuWatch(None)
    assert watch.latest() is None
    assert threading.active_count() == before
    watch.close()


def test_loading_the_library_gives_it_or_none() -> None:
    library = gpu.load()
    assert library is None or hasattr(library, "nvmlInit_v2")
