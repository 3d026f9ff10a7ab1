"""
Where a run stood, in a form that two runs can share: the calls that matter, without anything of the machine.

What is compared, and what is left out, follows the stack traces that crash reporters group by: functions, not lines
(T. Dhaliwal, F. Khomh, Y. Zou, "Classifying field crash reports for fixing bugs", ICSM 2011).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from probes import code, workers
from probes.diagnosis import Diagnosis
from probes.verdicts import Verdict

FRAMES = 8
"""A signature has at most so many calls, the innermost. What is further out is how the program was begun."""
SEPARATOR = " < "
_STANDING = ("stack-still", "stack-in-place", "stack-in-loop")
_ERRORS = ("uncaught-exception", "memory-error")
_WORKERS = ("worker-raised", "worker-exited", "worker-killed", "worker-out-of-memory")
_HANGS = (Verdict.DEADLOCK, Verdict.SPIN, Verdict.BLOCKED, Verdict.EXIT_HANG)
_STARTS = frozenset(
    {
        ("threading", "_bootstrap"),
        ("threading", "_bootstrap_inner"),
        ("threading", "run"),
        ("multiprocessing.process", "_bootstrap"),
        ("multiprocessing.process", "run"),
        ("multiprocessing.process", "start"),
        ("runpy", "run_path"),
        ("runpy", "run_module"),
    }
)
"""How the interpreter begins a thread or a process; with all of the modules below."""
_START_MODULES = ("runpy", "multiprocessing.spawn", "multiprocessing.forkserver", "multiprocessing.popen_")
_CARRIERS = frozenset({"_wrapped_call_impl", "_call_impl", "_call_with_frames_removed", "decorate_context"})
"""Functions of the engine room that call what was asked for: releases of torch differ in them."""
_CELL = re.compile(r"ipykernel_\d+|^<ipython-input")
_VERSION_FOLDER = re.compile(r"python\d+\.\d+t?$|^python3\d+\.zip$")


def stack_of(diagnosis: Diagnosis) -> str | None:
    """
    The normalised stack of the thread that the verdict is about, innermost call first.

    :return: ``env:book < env:step < stable_baselines3.common.monitor:step``; where nothing stands still (a slow run),
        the culprit's function; None where neither is known, or where the place means nothing: damage to the heap is
        noticed in whoever allocates next.
    """
    details = {item.kind: item.detail for item in diagnosis.evidence}
    names = normalised(_frames(diagnosis.verdict, details))
    if names:
        return SEPARATOR.join(names)
    culprit = diagnosis.culprit
    if culprit is not None and diagnosis.verdict in (Verdict.SLOW_PHASE, Verdict.SLOWDOWN):
        return f"{_module(culprit.file)}:{_function(culprit.function)}"
    return None


def normalised(frames: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """
    The calls that tell where a thread stands: ``module:function``, at most :data:`FRAMES`.

    The program's and its libraries' own, and of the engine room (standard library, torch, numpy) only the call by
    which they went in there: what lies below differs from release to release. A function that is met again is left
    out, so that the depth of a recursion does not count; so is how the thread or process was begun, which of a worker
    depends on the start method.

    :param frames: function and file, innermost first.
    """
    python = [frame for frame in frames if _is_python(frame[1]) and not _is_agents(frame[1])]
    found: list[str] = []
    entry: str | None = None
    for place, (function, file) in enumerate(python):
        module, name = _module(file), _function(function)
        if code.is_comprehension(name):
            # One that does not say itself where it stands is a part of what called it.
            if place + 1 < len(python):
                continue
            name = "<module>"
        if code.is_engine(file):
            if _is_start(module, name):
                if found or entry is not None:
                    break  # further out is who began it; of a forked worker, its parent's calls
                continue
            if not found:
                entry = f"{module}:{name}" if name not in _CARRIERS or entry is None else entry
            continue
        if entry is not None and not found:
            found.append(entry)
        found.append(f"{module}:{name}")
    distinct = tuple(dict.fromkeys(found or ([entry] if entry is not None else [])))
    return distinct[:FRAMES]


def digest(stack: str) -> str:
    """Eight hexadecimal digits that stand for a normalised stack where there is no room for it."""
    return hashlib.sha256(stack.encode()).hexdigest()[:8]


def _frames(verdict: Verdict, details: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Function and file of each call of the thread that the verdict is about, innermost first; empty if unknown."""
    if verdict in _HANGS:
        return list(_pairs(_standing(details)))
    if verdict in (Verdict.EXCEPTION, Verdict.OOM):
        worker = next((details[kind] for kind in _WORKERS if kind in details), None)
        if worker is not None:
            return list(_pairs(worker.get("frames") or ()))
        error = next((details[kind] for kind in _ERRORS if kind in details), {})
        rows = error.get("frames") or ()
        return [(row["function"], row["file"]) for row in reversed(rows)]
    if verdict is Verdict.CRASH:
        death = details.get("death-stack", {})
        return list(_pairs(death.get("frames") or ())) if death.get("noticed_by") is None else []
    return []


def _standing(details: Mapping[str, Mapping[str, Any]]) -> Sequence[Sequence[Any]]:
    """The rows of a stack that stands, or of the part of it that does."""
    stack = next((details[kind] for kind in _STANDING if kind in details), None)
    if stack is None or not _of_training(str(stack["process"])):
        # Of a helper of the program's, the code to look at is where the training waits for it.
        chain = details.get("wait-cycle") or details.get("waits-on-peer") or {}
        stack = chain.get("nearest")
    if stack is None:
        return details.get("trained-but-stays", {}).get("frames") or ()
    rows: Sequence[Sequence[Any]] = stack["frames"][stack.get("inside", 0) :]
    return rows


def _of_training(process: str) -> bool:
    return process == workers.MAIN or process.startswith("worker")


def _pairs(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, str]]:
    for function, file, *_ in rows:
        yield str(function), str(file)


def _is_python(file: str) -> bool:
    return file.endswith(".py") or file.startswith("<") or code.is_without_file(file)


def _is_agents(file: str) -> bool:
    """Whether a file is the agent's, also where the run was on another machine and it lay elsewhere."""
    return code.is_ours(file) or "/probes/agent/" in file


def _is_start(module: str, function: str) -> bool:
    return (module, function) in _STARTS or module.startswith(_START_MODULES)


def _function(name: str) -> str:
    """Without the class and the functions it stands in: before Python 3.11 no stack has them."""
    return code.bare(name).rpartition(".")[2]


def _module(file: str) -> str:
    """Dotted name from the package or the standard library on; of the program's own code, the file's name only."""
    if _CELL.search(file):
        return "<cell>"
    if file.startswith("<frozen "):
        return file[len("<frozen ") :].rstrip(">")
    if file.startswith("<"):
        return file
    installed = code.module(file)
    if installed is not None:
        return installed
    parts = Path(file).parts
    start = next((place for place, part in enumerate(parts) if _VERSION_FOLDER.search(part)), None)
    if start is not None and code.library(file) == "python":
        parts = parts[start + 1 :]
    else:
        parts = parts[-2:] if parts[-1] == "__init__.py" else parts[-1:]
    return ".".join(parts).removesuffix(".py").removesuffix(".__init__")
