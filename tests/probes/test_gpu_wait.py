"""Waiting for a GPU: a library of the driver's name that does not come back, and NVML played by an object."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from probes.diagnosis import Diagnosis
from probes.evidence import gpu as evidence
from probes.stacks import Frame
from probes.system import gpu, mappings
from probes.verdicts import Verdict
from probes.watch import WatchOptions, watch

PROGRAM = """
import ctypes, sys
import gymnasium
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

driver = ctypes.CDLL(sys.argv[1])

class Ask(BaseCallback):
    def _on_step(self):
        if self.num_timesteps == 200:
            driver.cuStreamSynchronize()
        return True

PPO("MlpPolicy", "CartPole-v1", n_steps=128, device="cpu").learn(1024, callback=Ask())
"""
SPINS = "volatile int done; int cuStreamSynchronize(void) { while (!done) {} return 0; }"


class Driver:
    """NVML with one GPU at a load of the test's choice."""

    def __init__(self, load: int) -> None:
        self.load = load

    def __getattr__(self, name: str) -> Any:
        return lambda *_: 3  # not supported

    def nvmlInit_v2(self) -> int:  # noqa: N802 - NVML's own names
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 1
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> int:  # noqa: N802
        handle._obj.value = 1
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle: Any, rates: Any) -> int:  # noqa: N802
        rates._obj.gpu = self.load
        return 0


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(SPINS)
    path = folder / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, folder / "driver.c"], check=True)
    return path


def diagnosed(tmp_path: Path, library: Path) -> Diagnosis:
    program = tmp_path / "train.py"
    program.write_text(PROGRAM)
    options = WatchOptions(out=tmp_path / "run", on_freeze="stop", stop_after_s=8.0, limit_s=60.0, stdin_null=True)
    return watch([sys.executable, str(program), str(library)], options)


def test_a_wait_for_the_gpu_is_told_from_work_of_the_processor(
    tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "load", lambda: Driver(100))
    found = diagnosed(tmp_path, library)
    assert found.verdict is Verdict.BLOCKED
    assert found.culprit is not None
    assert found.culprit.function == "_on_step"
    assert found.cause == "gpu-works-on"


def test_a_loop_of_another_library_is_work_of_the_processor(tmp_path: Path, library: Path) -> None:
    other = tmp_path / "libcubic.so"
    shutil.copy(library, other)
    found = diagnosed(tmp_path, other)
    assert found.verdict is Verdict.SPIN


@pytest.mark.parametrize(
    ("loads", "state"),
    [
        ({0: [0.2, 1.0, 1.0, 0.95]}, "busy"),
        ({0: [1.0, 0.0, 0.0, 0.0]}, "idle"),
        ({0: [0.0] * 4, 1: [1.0] * 4}, "busy"),
        ({0: [0.0] * 4, 1: [0.4] * 4}, None),
        ({0: [1.0] * 3}, None),
        ({}, None),
    ],
)
def test_a_gpu_is_busy_or_idle_if_it_was_so_all_the_time(loads: dict[int, list[float]], state: str | None) -> None:
    assert evidence._state(loads) == state


def test_only_native_code_above_all_python_counts() -> None:
    driver = Frame("cuCtxSynchronize", "/usr/lib/libcuda.so.580.1", None)
    runtime = Frame("cudaDeviceSynchronize", "/x/libcudart.so.13", None)
    python = Frame("step", "/me/train.py", 3)
    assert evidence._stands_in_driver([driver, runtime, python])
    assert evidence._stands_in_driver([Frame("poll", "/usr/lib/libc.so.6", None), driver, python])
    assert not evidence._stands_in_driver([python, driver])
    assert not evidence._stands_in_driver([runtime, python])


def test_a_mapped_library_is_found_by_its_name(library: Path) -> None:
    import ctypes
    import os

    ctypes.CDLL(str(library))
    assert mappings.maps(os.getpid(), "libcuda.so")
    assert not mappings.maps(os.getpid(), "libcuda.so.2")
    assert not mappings.maps(0, "libcuda.so")
