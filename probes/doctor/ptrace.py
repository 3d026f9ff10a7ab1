"""May one process look into another here?"""

from __future__ import annotations

from collections.abc import Iterator

from probes.doctor.interface import Blocked, Check, Finding, blocks, ok, warning
from probes.doctor.machine import Machine

_CAP_SYS_PTRACE = 1 << 19
_YAMA = "/proc/sys/kernel/yama/ptrace_scope"
_SECCOMP_FILTER = "2"


def _look(machine: Machine) -> Iterator[Finding]:
    capable = _may_trace_all(machine)
    who = "root" if machine.user == 0 else f"user {machine.user}"
    where = f" in a container ({machine.container})" if machine.container else ""
    scope = machine.text(_YAMA)
    problem = machine.examined.trace_problem
    if problem is not None and "no permission" in problem:
        yield blocks(
            f"{who}{where} may not trace even a process of its own"
            + (" (a seccomp filter is in force)" if machine.status("Seccomp") == _SECCOMP_FILTER else ""),
            "start the container with --cap-add SYS_PTRACE (and, on kernels before 4.8, --security-opt "
            "seccomp=unconfined)" if machine.container else "set kernel.yama.ptrace_scope to 1 or 0, or use sudo",
            Blocked.STACKS,
            Blocked.ATTACH,
        )  # fmt: skip
        return
    if scope == "3":
        yield blocks(
            "Yama forbids all tracing (kernel.yama.ptrace_scope is 3), and only a restart can change that",
            "remove ptrace_scope = 3 from /etc/sysctl.d and restart",
            Blocked.STACKS,
            Blocked.ATTACH,
        )
    elif scope == "2" and not capable:
        yield blocks(
            "Yama lets only root trace (kernel.yama.ptrace_scope is 2)",
            "sudo sysctl kernel.yama.ptrace_scope=1, or run FreezeLab with sudo",
            Blocked.STACKS,
            Blocked.ATTACH,
        )
    elif scope == "1" and not capable:
        yield warning(
            "Yama lets a process trace its own children only (kernel.yama.ptrace_scope is 1): what freezelab run "
            "starts can be looked at, attach can't",
            "for attach: sudo sysctl kernel.yama.ptrace_scope=0, or sudo freezelab attach PID",
        )
    else:
        yama = f"kernel.yama.ptrace_scope is {scope}" if scope is not None else "Yama is not in force"
        yield ok(f"{who}{where} may trace: {yama}{', and CAP_SYS_PTRACE is there' if capable else ''}")
        if not capable:
            yield ok("processes of other users can't be attached to without sudo")


def _may_trace_all(machine: Machine) -> bool:
    try:
        return bool(int(machine.status("CapEff") or "0", 16) & _CAP_SYS_PTRACE)
    except ValueError:
        return False


CHECK = Check("ptrace", _look)
