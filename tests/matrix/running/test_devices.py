from __future__ import annotations

from pathlib import Path

import pytest

from matrix.running import devices


def machine(tmp_path: Path, answer: str | None, code: int = 0) -> dict[str, str]:
    """An environment whose nvidia-smi says ``answer``."""
    if answer is not None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\necho '{answer}'\nexit {code}\n")
        tool.chmod(0o755)
    return {"PATH": str(tmp_path)}


def test_the_cpu_is_always_there(tmp_path: Path) -> None:
    assert devices.why_not("cpu", machine(tmp_path, None)) is None


def test_a_gpu_that_the_driver_lists_can_be_used(tmp_path: Path) -> None:
    environ = machine(tmp_path, "GPU 0: NVIDIA GeForce RTX 3060 (UUID: GPU-1)")
    assert devices.why_not("cuda", environ) is None
    assert devices.why_not("cuda:0", environ) is None
    assert devices.why_not("cuda:1", environ) == "no CUDA device 1: there are 1"


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ("0", "1", "2")),
        ("2,0", ("2", "0")),
        (" 1 , -1, 2", ("1",)),
        ("0,7,1", ("0",)),  # CUDA takes nothing from the first one on that is not there
        ("GPU-1f3", ("GPU-1f3",)),
        ("", ()),
    ],
)
def test_gpus_are_named_as_cuda_would_count_them(tmp_path: Path, visible: str | None, names: tuple[str, ...]) -> None:
    environ = machine(tmp_path, "GPU 0: a\nGPU 1: b\n  MIG 1g.5gb Device 0: x\nGPU 2: my GPU 3")
    if visible is not None:
        environ["CUDA_VISIBLE_DEVICES"] = visible
    assert devices.gpus(environ) == names


def test_an_apple_gpu_is_looked_for_on_a_mac_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert devices.why_not("mps") == "no Apple GPU (MPS)"
    monkeypatch.setattr("sys.platform", "darwin")
    assert devices.why_not("mps") is None


@pytest.mark.parametrize(("answer", "code"), [("No devices found", 6), ("", 0), ("GPU error", 9)])
def test_without_a_gpu_the_reason_is_told(tmp_path: Path, answer: str, code: int) -> None:
    assert devices.why_not("cuda", machine(tmp_path, answer, code)) == "no CUDA device"


@pytest.mark.parametrize("hidden", ["", " ", "-1", "-1,0"])
def test_a_gpu_that_is_hidden_counts_as_none(tmp_path: Path, hidden: str) -> None:
    environ = machine(tmp_path, "GPU 0: x") | {"CUDA_VISIBLE_DEVICES": hidden}
    assert not devices.has_cuda(environ)


def test_a_gpu_that_is_picked_is_one(tmp_path: Path) -> None:
    assert devices.has_cuda(machine(tmp_path, "GPU 0: x") | {"CUDA_VISIBLE_DEVICES": "0"})


def test_without_the_drivers_tool_the_device_files_decide(tmp_path: Path) -> None:
    environ = machine(tmp_path, None)
    (tmp_path / "nvidiactl").touch()
    assert not devices.has_cuda(environ, devices=tmp_path)
    (tmp_path / "nvidia0").touch()
    assert devices.has_cuda(environ, devices=tmp_path)
