"""Starts a command in a session of its own, keeps its output, and ends its whole family when told to."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from probes.agent.layout import FOLDER_VARIABLE
from probes.errors import InputError
from probes.output import OutputLog
from probes.system import procfs

_GRACE_S = 3.0
_PR_SET_CHILD_SUBREAPER = 36


class CommandNotFoundError(InputError):
    """The command could not be started; the text says why."""


class Supervised:
    """
    A running command.

    :param command: program and arguments; no shell is involved.
    :param env: its environment.
    :param folder: where ``stdout.log`` and ``stderr.log`` go.
    :param cpus: cores it may use; None is all of ours.
    :param show_out, show_err: called with new output as it comes.
    :raises CommandNotFoundError: no such program, or not executable.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        folder: Path,
        *,
        cwd: Path | None = None,
        cpus: frozenset[int] | None = None,
        stdin_null: bool = False,
        show_out: Callable[[bytes], None] | None = None,
        show_err: Callable[[bytes], None] | None = None,
    ) -> None:
        # Orphans of the command come to us instead of to init, so that none is lost sight of.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.out = OutputLog(folder / "stdout.log", show_out)
        self.err = OutputLog(folder / "stderr.log", show_err)
        try:
            self._process = subprocess.Popen(
                list(command),
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL if stdin_null else None,
                stdout=self.out.descriptor,
                stderr=self.err.descriptor,
                start_new_session=True,
            )
        except OSError as error:
            self.out.close()
            self.err.close()
            reason = error.strerror or str(error)
            raise CommandNotFoundError(f"cannot start {command[0]!r}: {reason}") from error
        self.pid = self._process.pid
        self.started_ns = time.monotonic_ns()
        self._end = _handle_of(self.pid)
        if cpus:
            with suppress(OSError):
                os.sched_setaffinity(self.pid, cpus)
        self._known: dict[int, int] = {}
        flight = env.get(FOLDER_VARIABLE)
        self._mark = f"{FOLDER_VARIABLE}={flight}" if flight else None

    def exit_status(self) -> int | None:
        """None while it runs; then its exit code, or minus the signal that ended it."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> None:
        """Returns when the command has ended, or after the time given."""
        if self._end is None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)  # which asks again and again
        elif self._process.poll() is None:
            poller = select.poll()
            poller.register(self._end, select.POLLIN)
            poller.poll(timeout_s * 1000)
            self._process.poll()

    def pump(self) -> None:
        """Passes new output on."""
        self.out.pump()
        self.err.pump()

    def family(self, *, closely: bool = True) -> list[procfs.ProcessReading]:
        """
        The command's process and all that came of it, the command's first; those adopted by us are reaped.

        :param closely: see :func:`probes.system.procfs.read_process`.
        """
        pids = procfs.family(self.pid, self._mark)
        readings = [reading for pid in pids if (reading := procfs.read_process(pid, closely=closely))]
        for reading in readings:
            self._known[reading.pid] = reading.started_ticks
            if reading.state == "Z" and reading.parent == os.getpid() and reading.pid != self.pid:
                with suppress(ChildProcessError):
                    os.waitpid(reading.pid, os.WNOHANG)
        return readings

    def interrupt(self) -> None:
        """What Ctrl-C does: SIGINT to the command's process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGINT)

    def end(self, grace_s: float = _GRACE_S) -> None:
        """Ends the whole family: asks first (SIGTERM), then insists (SIGKILL), and waits until none is left."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + grace_s
            told: set[int] = set()
            # Asked anew each time: one that is ended may just have started another.
            while (living := self._living()) and time.monotonic() < deadline:
                for pid in set(living) - told:
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, number)
                        # A stopped process takes SIGTERM only once it goes on.
                        os.kill(pid, signal.SIGCONT)
                told.update(living)
                time.sleep(0.02)
                self._process.poll()
            if not living:
                break

    def _living(self) -> list[int]:
        """Members of the family that still run, also those that moved to another session or parent."""
        self.family()
        living = []
        for pid, started in self._known.items():
            reading = procfs.read_process(pid)
            if reading is not None and reading.started_ticks == started:
                if reading.state == "Z":
                    if pid == self.pid:
                        self._process.poll()
                    elif reading.parent == os.getpid():
                        with suppress(ChildProcessError):
                            os.waitpid(pid, os.WNOHANG)
                else:
                    living.append(pid)
        return living

    def close(self) -> None:
        """Ends what is left and closes the logs. Safe to call in any state."""
        try:
            self.end()
        except KeyboardInterrupt:
            # A second Ctrl-C: no more patience, but no orphan either.
            self.end(grace_s=0.2)
            raise
        self._process.wait()
        if self._end is not None:
            os.close(self._end)
            self._end = None
        self.out.close()
        self.err.close()


def _handle_of(pid: int) -> int | None:
    """A descriptor that can be waited on for the end of our child; None where the system has none (Linux < 5.3)."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
