"""Starts a training script, looks at it until it learns, ends it, and says what can be known by then."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from probes import carry
from probes.agent.preflight import VARIABLE
from probes.doctor.interface import Blocked, Finding, blocks, ok, warning
from probes.errors import InputError
from probes.preflight import Preflight, Warned
from probes.progress import Progress
from probes.supervisor import Supervised

LIMIT_S = 60.0
_TICK_S = 0.05
_STEPS = 3
"""So many steps of the environment show that it runs."""
_SETTLE_S = 1.0
"""Threads and libraries that come with the first steps."""
_TAIL_BYTES = 65536


class ScriptError(InputError):
    """There is no such script; the text says so."""


class ScriptFailedError(Exception):
    """The script ended with an error before it had learnt for a moment; the text has its last words."""


@dataclass(frozen=True)
class _Seen:
    """How far the script came."""

    learns: bool
    after_s: float
    """When ``learn`` began, or how long it was waited for."""
    ended: bool
    warned: tuple[Warned, ...]


def rehearse(
    python: Path, script: Path, arguments: Sequence[str], limit_s: float = LIMIT_S
) -> dict[str, tuple[Finding, ...]]:
    """
    Runs the script until it has taken its first steps, for ``limit_s`` seconds at most, and ends it.

    It is ended by SIGTERM and not as by Ctrl-C: many a script saves its model then, over one that was trained well.

    :raises ScriptError: there is no such file.
    :raises ScriptFailedError: it failed.
    """
    if not script.is_file():
        raise ScriptError(f"{script}: no such script; doctor --script takes the file that trains, such as train.py")
    with tempfile.TemporaryDirectory(prefix="freezelab-doctor-") as folder:
        seen = _run([str(python), str(script), *arguments], Path(folder), limit_s)
    found: dict[str, tuple[Finding, ...]] = {"script": (_outcome(script, seen),)}
    for item in seen.warned:
        finding = (
            ok(item.line)
            if item.is_notice
            else blocks(item.line, item.advice, Blocked.TRAINING)
            if item.blocks
            else warning(item.line, item.advice)
        )
        found[item.id] = (*found.get(item.id, ()), finding)
    return found


def _outcome(script: Path, seen: _Seen) -> Finding:
    if seen.learns:
        told = "nothing speaks against it" if not seen.warned else "see below"
        return ok(f"{script} began to learn after {seen.after_s:.1f} s: {told}")
    if seen.ended:
        return warning(
            f"{script} ended after {seen.after_s:.1f} s and never called learn: nothing could be known of a training",
            "give the script that trains, and behind -- the arguments that make it train",
        )
    return warning(
        f"{script} did not begin to learn within {seen.after_s:.0f} s",
        "give it more time: --limit 300",
    )


def _run(command: Sequence[str], folder: Path, limit_s: float) -> _Seen:
    flight = folder / "flight"
    flight.mkdir()
    environment = {**carry.environment(os.environ, flight, hold=False), VARIABLE: "measure"}
    child = Supervised(command, environment, folder, stdin_null=True)
    progress = Progress(flight)
    ahead = Preflight(child.pid)
    warned: list[Warned] = []
    began_s: float | None = None
    settled_s: float | None = None
    started = time.monotonic()
    try:
        while True:
            # Before the files are read: what it wrote last is then seen.
            status = child.exit_status()
            progress.poll(time.monotonic_ns())
            child.pump()
            elapsed_s = time.monotonic() - started
            state = progress.state
            facts = progress.recording.text("facts") if progress.recording is not None else None
            if began_s is None and facts is not None and "preflight" in facts:
                began_s = elapsed_s
            steps = state.phases["env.step"].count if state is not None and "env.step" in state.phases else 0
            if began_s is not None and settled_s is None and steps >= _STEPS:
                settled_s = elapsed_s + _SETTLE_S
            over = elapsed_s > limit_s or (settled_s is not None and elapsed_s > settled_s)
            if over or status is not None:
                warned += ahead.look(progress)
                break
            warned += ahead.look(progress)
            child.wait(_TICK_S)
        if status and settled_s is None:
            raise ScriptFailedError(_last_words(command[1], child, status, learns=began_s is not None))
        child.end()
    finally:
        child.close()
        progress.close()
    return _Seen(began_s is not None, began_s if began_s is not None else elapsed_s, status is not None, tuple(warned))


def _last_words(script: str, child: Supervised, status: int, *, learns: bool) -> str:
    lines = [line.strip() for line in child.err.tail(_TAIL_BYTES).splitlines() if line.strip()]
    how = f"was ended by signal {-status}" if status < 0 else f"failed with exit code {status}"
    when = "in its first steps" if learns else "before it learnt anything"
    return f"{script} {how} {when}" + (f": {lines[-1][:300]}" if lines else "")
