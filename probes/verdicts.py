"""The names of what can befall a training run (a contract: reports, stores and exit codes speak of these)."""

from __future__ import annotations

import enum


class Verdict(str, enum.Enum):
    """What a run was found to be. The values appear in ``diagnosis.json``."""

    HEALTHY = "healthy"
    """Progress, at the run's own pace."""
    SLOW_PHASE = "slow-phase"
    """Events still arrive, but one phase lasts far longer than the user can see."""
    SLOWDOWN = "slowdown"
    """The same phase takes ever longer."""
    SPIN = "spin"
    """CPU is burnt without a progress event."""
    DEADLOCK = "deadlock"
    """Waits on a lock or futex that nobody will release."""
    BLOCKED = "blocked"
    """Waits on the outside: a socket, a pipe, a file, a dead or stopped child."""
    CRASH = "crash"
    """Ended by a signal."""
    EXCEPTION = "exception"
    """Ended by an error of the program's own."""
    OOM = "oom"
    """Ended for want of memory."""
    CORRUPTION = "corruption"
    """Training data changed with no legitimate writer."""
    EXIT_HANG = "exit-hang"
    """Training done, but the process stays."""

    def __str__(self) -> str:
        return self.value

    @property
    def is_failure(self) -> bool:
        """Whether a command that diagnosed this ends with exit code 3."""
        return self is not Verdict.HEALTHY

    @property
    def stands_for_good(self) -> bool:
        """Whether nothing more is to be learnt by waiting: the run neither moves again nor ends by itself."""
        return self in (Verdict.DEADLOCK, Verdict.SPIN, Verdict.BLOCKED, Verdict.EXIT_HANG)
