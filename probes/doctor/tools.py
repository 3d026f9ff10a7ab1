"""What FreezeLab itself brings along: uv for a matrix's environments, and the agent's price."""

from __future__ import annotations

from collections.abc import Iterator

from probes.doctor.interface import Blocked, Check, Finding, blocks, ok, warning
from probes.doctor.machine import Machine

_START_S = 0.05
"""What the agent may add before the user's first line."""


def _look_uv(machine: Machine) -> Iterator[Finding]:
    if machine.uv is None:
        yield blocks(
            "uv was not found: no environments can be built for a matrix",
            "install it beside FreezeLab: python -m pip install uv",
            Blocked.MATRIX,
        )
    else:
        yield ok(f"uv is {machine.uv}")


UV = Check("uv", _look_uv)


def _look_agent(machine: Machine) -> Iterator[Finding]:
    cost_s = machine.agent_start_s()
    if cost_s is None:
        yield warning("what the agent adds to the start of a Python could not be measured")
    elif cost_s > _START_S:
        yield warning(
            f"the agent adds {cost_s * 1e3:.0f} ms to the start of each Python process, more than "
            f"{_START_S * 1e3:.0f}: the disk is slow, or the machine busy"
        )
    else:
        yield ok(f"the agent adds {cost_s * 1e3:.0f} ms to the start of each Python process")


AGENT = Check("agent", _look_agent)
