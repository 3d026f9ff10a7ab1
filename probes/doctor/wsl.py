"""Windows Subsystem for Linux, whose GPU driver has an abort of its own."""

from __future__ import annotations

from collections.abc import Iterator

from probes.doctor.interface import Check, Finding, ok, warning
from probes.doctor.machine import Machine

_FIRST_BAD_DRIVER = 576
_REFERENCES = "tensorflow issue 92251, yolov5 issue 13748"


def _look(machine: Machine) -> Iterator[Finding]:
    if not machine.is_wsl:
        yield ok("not under WSL")
        return
    version = 2 if "wsl2" in machine.release.lower() or "standard" in machine.release.lower() else 1
    if version == 1:
        yield warning("WSL 1: no GPU, and readings from /proc are incomplete", "wsl --set-version <distribution> 2")
        return
    hidden = machine.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        yield warning(
            f"WSL 2 with CUDA_VISIBLE_DEVICES={hidden!r}: the Windows driver's libcuda can abort with 'double free "
            f"detected in tcache 2' as it starts ({_REFERENCES})",
            "unset the variable and choose the CPU in the program (device='cpu')",
        )
    gpus = machine.gpus()
    driver = (gpus.driver or "").partition(".")[0] if gpus else ""
    if driver.isdecimal() and int(driver) >= _FIRST_BAD_DRIVER:
        yield warning(
            f"WSL 2 with Windows driver {gpus.driver if gpus else ''}: versions from {_FIRST_BAD_DRIVER} on have been "
            f"reported to abort with 'double free detected in tcache 2' in cuInit ({_REFERENCES})",
            "should that abort come: install a driver before 576, or one in which it is mended",
        )
    elif hidden is None or hidden.strip() not in ("", "-1"):
        yield ok(f"WSL 2 (kernel {machine.release})")


CHECK = Check("wsl", _look)
