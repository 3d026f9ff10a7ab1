"""Can py-spy read the Python that trains?"""

from __future__ import annotations

from collections.abc import Iterator

from probes.doctor.interface import Blocked, Check, Finding, blocks, ok, warning
from probes.doctor.machine import Machine


def _look(machine: Machine) -> Iterator[Finding]:
    examined = machine.examined
    version = ".".join(map(str, examined.version))
    if machine.py_spy is None:
        yield blocks(
            "py-spy was not found: no stack can be taken",
            "install it beside FreezeLab: python -m pip install py-spy",
            Blocked.STACKS,
            Blocked.ATTACH,
        )
    elif examined.trace_problem is not None:
        yield blocks(
            f"py-spy could not take a stack of a Python {version}: {examined.trace_problem}",
            "see ptrace above" if "no permission" in examined.trace_problem else "install a newer py-spy",
            Blocked.STACKS,
            Blocked.ATTACH,
        )
    elif examined.native_problem is not None:
        yield warning(
            f"py-spy takes stacks of a Python {version}, but none with native frames: {examined.native_problem}",
            "a crash will show its Python functions only; an x86-64 or ARM64 build of py-spy has native stacks",
        )
    else:
        yield ok(f"py-spy took a stack of a Python {version}, with and without native frames")


CHECK = Check("py-spy", _look)
