"""Names the function to look at: the innermost code that is the user's or a library's, not the engine room's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from probes import code, gpu_errors, workers
from probes.diagnosis import Culprit, Evidence
from probes.evidence import CORRUPTION_KINDS, PHASE_FUNCTIONS, WORKER_KINDS
from probes.observer import Observations
from probes.profile import Profile
from probes.progress import Progress
from probes.stacks import Frame
from probes.verdicts import Verdict

_MIN_SHARE = 0.3
"""Of a phase's samples: what has less of them does not explain it."""
_MIN_OF_CALLER = 0.5
"""Of the samples in the function that calls it."""
_RUNTIME = ("libc.so", "libc-", "libpthread", "ld-linux", "ld-musl", "libgcc_s.so")
"""How the file names of the C library and of what loads and unwinds programs begin."""
_CALLERS = frozenset({"stable_baselines3", "sb3_contrib", "gymnasium"})
"""Libraries that call environments, wrappers and callbacks of the user's."""


def find(verdict: Verdict, evidence: Sequence[Evidence], seen: Observations, progress: Progress) -> Culprit | None:
    """The culprit of a verdict, read from the evidence that decided it; None when no stack tells."""
    details = {item.kind: item.detail for item in evidence}
    worker = (
        details.get("peer-is-dead")
        if verdict is Verdict.BLOCKED
        else next((details[kind] for kind in WORKER_KINDS if kind in details), None)
    )
    if verdict is Verdict.BLOCKED and worker is not None and not str(worker["process"]).startswith("worker"):
        # A helper of the program's that is gone: what is left to look at is where the training waits for it.
        worker = None
    if worker is not None and verdict in (Verdict.EXCEPTION, Verdict.OOM, Verdict.CRASH, Verdict.BLOCKED):
        # The main process's own stack is the same for a worker that is dead, that spins and that is only slow.
        frames = _listed(worker["frames"])
        blamed = _innermost(frames, worker["process"])
        return _between(blamed, frames[::-1]) if verdict is Verdict.EXCEPTION else blamed
    if verdict in (Verdict.EXCEPTION, Verdict.OOM):
        error = details.get("uncaught-exception") or details.get("memory-error")
        return _of_error(error) if error else None
    if verdict is Verdict.CORRUPTION:
        first = first_corruption(evidence).detail
        writer = first["writer"] or first["giver"]
        return make(str(writer["function"]), str(writer["file"]), writer["line"]) if writer else None
    if verdict is Verdict.CRASH:
        death = details.get("death-stack")
        if death is None:
            return None
        frames, noticed = _listed(death["frames"]), death.get("noticed_by")
        if noticed is not None and not any(Path(frame.file).suffix == ".py" for frame in frames):
            return make(noticed["function"], noticed["library"], None)
        blamed = _innermost(frames)
        if blamed is None and "uncaught-exception" in details:
            # On its way out, with the interpreter half gone: where Python last was the error tells.
            return _of_error(details["uncaught-exception"])
        # Damage to the heap shows in whoever allocates or frees next: a library that does is innocent.
        return None if noticed is not None and blamed is not None and blamed.library is not None else blamed
    if verdict is Verdict.SLOW_PHASE:
        return _of_slow_phase(details, seen)
    if verdict is Verdict.SLOWDOWN:
        return _busiest(seen, details["ever-slower"]["phase"])
    if verdict in (Verdict.DEADLOCK, Verdict.SPIN, Verdict.BLOCKED, Verdict.EXIT_HANG):
        kinds = ("stack-still", "stack-in-place", "stack-in-loop", "stack-moving")
        stack = next((details[kind] for kind in kinds if kind in details), None)
        if stack is None or stack["process"].startswith("process "):
            # A helper of the program's: the code to look at is where the training waits for it.
            chain = details.get("wait-cycle") or details.get("waits-on-peer") or {}
            stack = chain.get("nearest")
        return _innermost(_listed(stack["frames"][stack.get("inside", 0) :]), stack["process"]) if stack else None
    return None


def _of_error(error: dict[str, Any]) -> Culprit | None:
    """
    Where an error was raised; if a library only refused what an environment had given it, that environment.

    None of an error that is told at another place than it is of.
    """
    if gpu_errors.is_late(str(error.get("message") or "")):
        return None
    blamed = _innermost(_frames(error["frames"])[::-1])
    giver = error.get("observation_of")
    if giver is not None and (blamed is None or blamed.library is not None):
        return make(giver["function"], giver["file"], giver["line"])
    return _between(blamed, _frames(error["frames"]))


def _between(blamed: Culprit | None, frames: Sequence[Frame]) -> Culprit | None:
    """
    Code of the user's that the library called and that called it again, if there is any: it used it wrongly.

    :param frames: outermost first.
    """
    if blamed is None or blamed.library not in _CALLERS:
        return blamed
    python = [frame for frame in frames if _is_python(frame.file)]
    first = next((place for place, frame in enumerate(python) if code.library(frame.file) in _CALLERS), len(python))
    found = next((frame for frame in reversed(python[first:]) if code.library(frame.file) is None), None)
    return make(found.function, found.file, found.line, blamed.process) if found is not None else blamed


def _function(frames: Sequence[Frame]) -> str:
    """The name of the innermost function; for a comprehension, of the one it stands in."""
    first = frames[0]
    for frame in frames:
        if frame.file != first.file:
            break
        # With its whole name a comprehension says itself where it stands.
        if not code.is_comprehension(frame.function) or ".<locals>." in frame.function:
            return frame.function
    return first.function


def _is_python(file: str) -> bool:
    return Path(file).suffix == ".py" or code.is_without_file(file)


def first_corruption(evidence: Sequence[Evidence]) -> Evidence:
    """Of what was found of corrupt training data, the earliest: the others follow from it."""
    return min((item for item in evidence if item.kind in CORRUPTION_KINDS), key=lambda item: item.at_s)


def _of_slow_phase(details: dict[str, dict[str, Any]], seen: Observations) -> Culprit | None:
    loop = details.get("module-loop")
    if "episode-without-end" in details:
        return _function_of(seen, "eval")
    if loop is not None:
        return make(loop["function"], loop["file"], loop["line"])
    standstill = details.get("step-stands-still")
    silent = details.get("silent-stretches")
    if silent is not None and standstill is None:
        return _innermost(_listed(silent["frames"]), silent["process"]) if silent["frames"] else None
    return _busiest(seen, standstill["phase"] if standstill else None)


def _function_of(seen: Observations, phase: str | None) -> Culprit | None:
    """The function that a phase is the time of, where no part of it explains that time."""
    for profile in seen.profiles:
        for frame in (frame for sample in profile.samples for frame in reversed(sample)):
            if code.bare(frame.function) == PHASE_FUNCTIONS.get(phase or "") and not code.is_engine(frame.file):
                return make(frame.function, frame.file, frame.line)
    return None


def _busiest(seen: Observations, phase: str | None) -> Culprit | None:
    """
    The innermost function on the busiest path through a phase's samples, the engine room's left out.

    The path goes on into a function as long as most of what its caller does lies in there.
    """
    samples = Profile(tuple(s for profile in seen.profiles for s in profile.samples))
    left = samples.below(PHASE_FUNCTIONS.get(phase, "learn")) if phase is not None else samples
    total = len(left.samples)
    found = None
    while left.samples:
        heads = Counter((sample[0].function, sample[0].file) for sample in left.samples if sample)
        if not heads:
            break
        (function, file), number = heads.most_common(1)[0]
        if number < _MIN_OF_CALLER * len(left.samples) or number < _MIN_SHARE * total:
            break
        inside = [
            sample for sample in left.samples if sample and (sample[0].function, sample[0].file) == (function, file)
        ]
        if not code.is_engine(file) and not (code.is_comprehension(function) and found is not None):
            line = Counter(sample[0].line for sample in inside).most_common(1)[0][0]
            found = make(function, file, line)
        left = Profile(tuple(sample[1:] for sample in inside))
    return found or _function_of(seen, phase)


def make(function: str, file: str, line: int | None, process: str | None = None) -> Culprit:
    """
    A culprit from a frame.

    :param process: as the contract names it; None is the main one.
    """
    return Culprit(code.bare(function), file, line, code.module(file), code.library(file), process or workers.MAIN)


def _frames(rows: Iterable[dict[str, Any]]) -> list[Frame]:
    return [Frame(row["function"], row["file"], row["line"]) for row in rows if not code.is_ours(row["file"])]


def _listed(rows: Iterable[list[Any]]) -> list[Frame]:
    return [Frame(function, file, line) for function, file, line in rows if not code.is_ours(file)]


def _innermost(frames: Sequence[Frame], process: str | None = None) -> Culprit | None:
    """
    :param frames: innermost first.
    :param process: whose, as the contract names it.
    """
    python = [frame for frame in frames if not frame.is_native and _is_python(frame.file)]
    for place, frame in enumerate(python):
        if not code.is_engine(frame.file):
            return make(_function(python[place:]), frame.file, frame.line, process)
    named = python or [frame for frame in frames if not _tells_nothing(frame)]
    return make(named[0].function, named[0].file, named[0].line, process) if named else None


def _tells_nothing(frame: Frame) -> bool:
    """Whether it is an address without a name, or the C library, in which every process waits and ends."""
    return frame.function.startswith("0x") or Path(frame.file).name.startswith(_RUNTIME)
