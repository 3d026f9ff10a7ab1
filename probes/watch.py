"""Run any training command under the probes: start, watch, judge, write down."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from probes import carry, remedies
from probes.diagnose import diagnose
from probes.diagnosis import Diagnosis
from probes.errors import InputError
from probes.evidence import Ending
from probes.observer import Observer
from probes.preflight import Preflight, Warned
from probes.progress import Progress
from probes.supervisor import Supervised
from probes.verdicts import Verdict

_TICK_S = 0.1
_JUDGE_EVERY_S = 1.0
_SETTLED_LEAD = 2.5
"""Log-odds over the runner-up from which on a running freeze counts as settled."""
_MIN_LOOKS = 3
"""One can't tell what stands from what moves, and two may fall into one short pause."""
_WITHOUT_PROOF = frozenset({Verdict.SPIN, Verdict.BLOCKED})
_PROOFS = frozenset({"peer-is-dead", "stopped", "sleeps-long"})
STOP_AFTER_S = 20.0
"""What a patient person would give a step or a reset that was never seen to take long before."""
_STDERR_TAIL_BYTES = 65536
_INTERRUPT_PATIENCE_S = 5.0
_FLIGHT = "flight"
_RUN_FILES = (
    "meta.json",
    "diagnosis.json",
    "diagnosis.md",
    "diagnosis.html",
    "diagnosis-*.svg",
    "heap_check.json",
    "readings.jsonl",
    "stdout.log",
    "stderr.log",
    "profile*.speedscope.json",
    "flight/*.bin",
    "flight/fingerprint-*.jsonl",
    "flight/remedies-*.jsonl",
    "flight/sites-*.jsonl",
    "flight/zoom-*.npz*",
    "stacks/*.json",
)
"""What a run leaves in its folder."""


@dataclass(frozen=True)
class Status:
    """What is going on right now, for a live view."""

    elapsed_s: float
    step: int | None
    phase: str | None
    line: str
    """``step 2048 · train · epoch 3/10 · minibatch 17/32 · about 11 s left``"""
    rss_bytes: int = 0
    """Resident memory of all its processes."""
    suspicious: bool = False
    """Whether the user's step count stands still, or no event comes at all."""
    diagnosis: Diagnosis | None = None
    """Of a freeze that is settled while the run still goes on; given once."""
    warned: tuple[Warned, ...] = ()
    """What has just become known and is worth a warning; each given once."""


@dataclass(frozen=True)
class WatchOptions:
    """How a run is watched."""

    out: Path
    """The run's folder; made if it is missing."""
    limit_s: float | None = None
    """End the run after so many seconds and say what it was doing."""
    confirm_after_s: float = 6.0
    """How long a freeze must have stood before it is told."""
    on_freeze: Literal["report", "stop"] = "report"
    stop_on: frozenset[Verdict] = frozenset(Verdict)
    """Which settled verdicts end the run under ``on_freeze="stop"``; with any other it goes on, and is judged again."""
    stop_after_s: float = 0.0
    """
    After how long a silence a run is ended of which nothing proves that it can't go on: it computes, or waits on
    somebody who is alive. Its freeze is told before.
    """
    remedies: tuple[remedies.Choice, ...] = ()
    """What to change in the run."""
    env: Mapping[str, str | None] = field(default_factory=dict)
    """Added to the environment of the command; None takes a variable away."""
    cwd: Path | None = None
    cpus: frozenset[int] | None = None
    """Cores the command may use; None is all."""
    stacks: bool = True
    """Whether py-spy may be used."""
    variables: bool = False
    """Whether local variables are kept with the stacks: they may hold anything, secrets included."""
    stdin_null: bool = False
    show_out: Callable[[bytes], None] | None = None
    """Called with what the command prints, as it comes."""
    show_err: Callable[[bytes], None] | None = None
    on_status: Callable[[Status], None] | None = None
    """Called about twice a second from the watching thread."""
    should_stop: Callable[[], bool] | None = None
    """Asked often; True ends the run as Ctrl-C would (its whole process tree)."""
    started: Supervised | None = None
    """Of :func:`start` with the same options: a process that waited, and is now told to be this command."""


class InterruptedRunError(Exception):
    """The run was ended because ``should_stop`` said so; nothing was diagnosed."""


class FolderNotWritableError(InputError):
    """The run's folder can't be made or written to."""


def watch(command: Sequence[str], options: WatchOptions) -> Diagnosis:
    """
    Runs a command to its end and returns its diagnosis, which is also written to the run's folder.

    :raises FolderNotWritableError: ``options.out`` can't be used.
    :raises CommandNotFoundError: the command can't be started.
    :raises InterruptedRunError: ``options.should_stop`` ended it.
    :raises KeyboardInterrupt: on Ctrl-C, once what was seen is written down and the whole process family has ended.
    """
    out = options.out.resolve()
    flight = out / _FLIGHT
    child = options.started
    if child is None:
        child = start(command, options)
    else:
        child.started_ns = time.monotonic_ns()  # that it waited before is no part of the run
    progress = Progress(flight, child.started_ns)
    with contextlib.ExitStack() as started:
        started.callback(child.close)
        try:
            observer = Observer(child, progress, out, stacks=options.stacks, variables=options.variables)
        except OSError as error:
            raise not_writable(out, error) from error
        started.pop_all()
    ahead = Preflight(child.pid)
    with _ending_everything(child, observer, progress):
        _write_meta(out, command, child, options)
        try:
            by_us = _attend(command, child, observer, options, ahead)
        except KeyboardInterrupt:
            # Whoever gives up on a hung run wants to know what it was: judged before the interrupt changes it.
            by_us = "interrupt"
        observer.close()
        ahead.look(progress)  # of a run that was over before it could be looked at
        status = child.exit_status()
        ended_ns = time.monotonic_ns()
        ending = Ending(
            status=status if status is not None else 0,
            by_us=by_us,
            after_s=(ended_ns - child.started_ns) / 1e9,
            stderr_tail=child.err.tail(_STDERR_TAIL_BYTES),
            out_of_memory_kills=observer.seen.out_of_memory_kills,
        )
        diagnosis = diagnose(command, observer.seen, progress, ending, ended_ns, artifacts_of(out))
        diagnosis = remedies.noted(ahead.noted(diagnosis), flight)
        try:
            out.mkdir(parents=True, exist_ok=True)  # somebody may have removed it meanwhile
            (out / "diagnosis.json").write_text(json.dumps(diagnosis.to_json(), indent=1), encoding="utf-8")
        except OSError as error:
            raise not_writable(out, error) from error
        if by_us == "interrupt":
            _interrupt(child)
    if by_us == "interrupt":
        raise KeyboardInterrupt
    return diagnosis


def start(command: Sequence[str], options: WatchOptions) -> Supervised:
    """
    Starts a command with the probes in it, for :func:`watch` to look at: whoever has it ends it.

    :raises FolderNotWritableError: ``options.out`` can't be used.
    :raises CommandNotFoundError: the command can't be started.
    """
    out = options.out.resolve()
    flight = prepare_folder(out)
    base = {name: value for name, value in {**os.environ, **options.env}.items() if value is not None}
    return Supervised(
        command,
        carry.environment(
            base, flight, hold=options.stacks, remedies=[item.word(options.cpus) for item in options.remedies]
        ),
        out,
        cwd=options.cwd,
        cpus=options.cpus,
        stdin_null=options.stdin_null,
        show_out=options.show_out,
        show_err=options.show_err,
    )


def not_writable(out: Path, error: OSError) -> FolderNotWritableError:
    return FolderNotWritableError(
        f"cannot write to the run's folder {out}: {error.strerror or error}; name another with --out"
    )


def prepare_folder(out: Path) -> Path:
    """Makes the run's folder, empties it of an earlier run's files, and returns where flight files go."""
    flight = out / _FLIGHT
    try:
        out.mkdir(parents=True, exist_ok=True)
        # Only files that bear our names: the folder may hold the user's own too.
        for pattern in _RUN_FILES:
            for path in out.glob(pattern):
                path.unlink()
        flight.mkdir(exist_ok=True)
    except OSError as error:
        raise not_writable(out, error) from error
    return flight


@contextlib.contextmanager
def _ending_everything(child: Supervised, observer: Observer, progress: Progress) -> Iterator[None]:
    """Whatever happens inside, no process and no open file is left behind."""
    try:
        yield
    finally:
        child.close()
        observer.close()
        progress.close()


def _attend(
    command: Sequence[str], child: Supervised, observer: Observer, options: WatchOptions, ahead: Preflight
) -> str | None:
    """Stays with the command until it has ended, or is ended. Returns why we ended it, if we did."""
    told: Verdict | None = None
    next_judgement_ns = 0
    while child.exit_status() is None:
        fresh = observer.tick()
        child.pump()
        now = time.monotonic_ns()
        elapsed_s = (now - child.started_ns) / 1e9
        if options.should_stop is not None and options.should_stop():
            _interrupt(child)
            raise InterruptedRunError
        if options.limit_s is not None and elapsed_s > options.limit_s:
            child.end()
            return "limit"
        warned = ahead.look(observer.progress) if fresh else []
        settled, ends = None, False
        if fresh and now >= next_judgement_ns and _worth_judging(told, observer, options, now):
            next_judgement_ns = now + int(_JUDGE_EVERY_S * 1e9)
            found = _settled(command, observer, now)
            ends = found is not None and _ends(found, observer, options, now)
            settled = found if told is None or ends else None  # one freeze is told once
            told = settled.verdict if settled is not None else told
        if fresh and options.on_status is not None:
            options.on_status(_status(observer, now, elapsed_s, settled, tuple(warned)))
        if ends:
            child.end()
            return "freeze"
        child.wait(_TICK_S)
    child.pump()
    return None


def _interrupt(child: Supervised) -> None:
    child.interrupt()
    deadline = time.monotonic() + _INTERRUPT_PATIENCE_S
    while child.exit_status() is None and time.monotonic() < deadline:
        child.wait(_TICK_S)


def _worth_judging(told: Verdict | None, observer: Observer, options: WatchOptions, now: int) -> bool:
    if told is None:
        return _may_be_settled(observer, options, now)
    # A run that was told to be slow goes on, and may yet come to stand for good.
    return options.on_freeze == "stop" and _silent_for_long(observer, options, now)


def _may_be_settled(observer: Observer, options: WatchOptions, now: int) -> bool:
    """Cheap: whether something has stood long enough to be worth weighing; corrupt data need not stand."""
    if observer.seen.corrupt or (observer.seen.slowing_ns is not None and not observer.profiles):
        return True
    progress = observer.progress
    if observer.seen.looks:
        return _silent_for_long(observer, options, now)
    return progress.stands_still() and (now - progress.standstills[-1].since_ns) / 1e9 >= options.confirm_after_s


def _silent_for_long(observer: Observer, options: WatchOptions, now: int) -> bool:
    return len(observer.seen.looks) >= _MIN_LOOKS and observer.progress.own_silence_s(now) >= options.confirm_after_s


def _settled(command: Sequence[str], observer: Observer, now: int) -> Diagnosis | None:
    diagnosis = diagnose(command, observer.seen, observer.progress, None, now, {})
    lead = -max(item.score for item in diagnosis.alternatives)
    return diagnosis if diagnosis.verdict is not Verdict.HEALTHY and lead >= _SETTLED_LEAD else None


def _ends(found: Diagnosis, observer: Observer, options: WatchOptions, now: int) -> bool:
    """Whether a settled verdict ends the run."""
    if options.on_freeze != "stop" or found.verdict not in options.stop_on:
        return False
    proven = found.verdict not in _WITHOUT_PROOF or any(item.kind in _PROOFS for item in found.evidence)
    return proven or observer.progress.own_silence_s(now) >= options.stop_after_s


def _status(
    observer: Observer, now: int, elapsed_s: float, settled: Diagnosis | None, warned: tuple[Warned, ...]
) -> Status:
    progress = observer.progress
    state = progress.state
    return Status(
        elapsed_s=elapsed_s,
        step=state.step if state else None,
        phase=state.phase if state else None,
        line=progress.line(now),
        rss_bytes=observer.seen.samples[-1].rss_bytes if observer.seen.samples else 0,
        suspicious=progress.stands_still() or bool(observer.seen.looks) or observer.seen.corrupt,
        diagnosis=settled,
        warned=warned,
    )


def _write_meta(out: Path, command: Sequence[str], child: Supervised, options: WatchOptions) -> None:
    meta = {
        "schema": "freezelab.run/1",
        "command": list(command),
        "cwd": str(options.cwd or Path.cwd()),
        "pid": child.pid,
        "started_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "started_monotonic_ns": child.started_ns,
        "freezelab_python": sys.version.split()[0],
        "limit_s": options.limit_s,
        "cpus": sorted(options.cpus) if options.cpus else None,
        "remedies": [item.word(options.cpus) for item in options.remedies],
    }
    (out / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")


def artifacts_of(out: Path) -> dict[str, str]:
    """What lies in the run's folder, by name."""
    known = {
        "stdout": "stdout.log",
        "stderr": "stderr.log",
        "readings": "readings.jsonl",
        "meta": "meta.json",
    }
    found = {name: file for name, file in known.items() if (out / file).exists()}
    for path in sorted(out.glob("profile*.speedscope.json")):
        found[path.name.partition(".")[0]] = path.name
    if (out / "stacks").is_dir():
        found["stacks"] = "stacks"
    found["flight"] = "flight"
    return found
