"""The NVIDIA driver, what the environment's torch wants of it, and what is made visible."""

from __future__ import annotations

import re
from collections.abc import Iterator

from probes.doctor.interface import Check, Finding, ok, warning
from probes.doctor.machine import Gpus, Machine

_RUNTIMES = re.compile(r"nvidia_cuda_runtime(?:_cu\d+)?-(\d+)\.(\d+)[\d.]*\.dist-info")
_INDEX = re.compile(r"\d+")


def _look(machine: Machine) -> Iterator[Finding]:
    gpus = machine.gpus()
    if gpus is None:
        wanted = _wanted(machine)
        if wanted is not None:
            yield warning(
                "no NVIDIA driver was found; the environment's torch is a CUDA build and will use the CPU",
                "a CPU build of torch is several GB smaller, if that is what you want",
            )
        else:
            yield ok("no NVIDIA driver was found: training uses the CPU")
        return
    names = ", ".join(f"{item.name or 'GPU'} {item.index}" for item in gpus.readings) or "no GPU"
    yield ok(f"driver {gpus.driver or 'of unknown version'}: {names}")
    yield from _version(machine, gpus)
    yield from _visible(machine, gpus)


def _wanted(machine: Machine) -> tuple[int, int] | None:
    """The CUDA version that the environment's packages were built for; None if they were built for none."""
    for site in machine.examined.sites:
        for path in site.glob("nvidia_cuda_runtime*.dist-info"):
            match = _RUNTIMES.fullmatch(path.name)
            if match is not None:
                return int(match[1]), int(match[2])
    return None


def _version(machine: Machine, gpus: Gpus) -> Iterator[Finding]:
    wanted = _wanted(machine)
    # Within one major version, newer libraries run on an older driver.
    if wanted is not None and gpus.cuda is not None and gpus.cuda[0] < wanted[0]:
        yield warning(
            f"the environment's torch is built for CUDA {wanted[0]}.{wanted[1]}, but the driver serves CUDA "
            f"{gpus.cuda[0]}.{gpus.cuda[1]} at most: the GPU will not be used",
            f"install a newer driver, or a torch built for CUDA {gpus.cuda[0]}",
        )


def _visible(machine: Machine, gpus: Gpus) -> Iterator[Finding]:
    value = machine.environ.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return
    if value.strip() in ("", "-1"):
        # Under WSL this is more than a choice: see the check of that name.
        yield ok(f"CUDA_VISIBLE_DEVICES={value!r} hides every GPU: training uses the CPU")
        return
    there = {reading.index for reading in gpus.readings}
    missing = [part for part in value.split(",") if _INDEX.fullmatch(part.strip()) and int(part) not in there]
    if missing:
        yield warning(
            f"CUDA_VISIBLE_DEVICES={value!r} names GPU {missing[0]}, which is not there: it and those after "
            "it are hidden",
            "name only GPUs that the driver lists",
        )
    else:
        yield ok(f"CUDA_VISIBLE_DEVICES={value!r}")


CHECK = Check("cuda", _look)
