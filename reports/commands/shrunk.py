"""
What a bisection has made of a configuration that freezes: the smallest that still does.

A bug report of the bisection, or of a run whose very settings it tried, shows that one to the maintainers.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrix.bisecting.result import FILE, Result
from matrix.bisecting.runs import Ended, Run
from matrix.bisecting.search_factors import SHRINK
from matrix.bisecting.session import ABOUT, RUNS
from matrix.bisecting.view import name_of
from matrix.errors import MatrixError
from matrix.plan.kinds import UNSET
from matrix.results.observation import masked, observed
from probes.diagnosis import Diagnosis
from reports import stored, wording
from reports.commands.interface import UsageError

_ABOVE = 3
"""Folders above a run that are looked through for bisections: those of runs/mine/cells/x are found in runs/."""
_NO_SETTINGS = frozenset({"--seed", "--save"})
"""Options that tell where and how often a cell is run, not what it is."""
_LIBRARIES = ("torch", "stable-baselines3", "sb3-contrib", "gymnasium", "numpy")
_Key = tuple[tuple[str, ...], tuple[str | None, ...], tuple[str | None, ...]]


@dataclass(frozen=True)
class Found:
    """The run by which a bisection shows its result."""

    folder: Path
    """Of the run."""
    changed: Mapping[str, tuple[Any, Any]]
    """Each level that is another one in the smallest cell: from, to; empty where nothing was shrunk."""
    says: tuple[str, ...]
    """What was found, in sentences."""


def of_search(search: Path) -> Found:
    """
    The run to show of a bisection: of the smallest cell, else one of the failing end of the pair that it found.

    :raises MatrixError: its result can't be read.
    :raises UsageError: it found nothing, or the folder of what failed is gone.
    """
    result = Result.load(search)
    if result.conclusion is None or not result.conclusion.found:
        raise UsageError(f"{search}: this bisection found no culprit, so there is nothing to report yet")
    shrunk = _shrunk(search, result)
    if shrunk is not None:
        return shrunk
    ends = [pair.bad for pair in result.certificate.pairs] if result.certificate else []
    runs = sorted(result.runs, key=lambda run: run.candidate not in ends)
    for folder in _failed_so(search, runs, result):
        return Found(folder, {}, tuple(_bisected(result)))
    raise UsageError(f"{search}: the folders of all runs that failed as sought are gone, so no evidence can be shown")


def of_run(folder: Path, diagnosis: Diagnosis) -> Found | None:
    """
    The smallest configuration for a run whose settings a bisection tried, and saw fail in the same way.

    Bisections are looked for beside the run, and beside the sweep that it is part of.
    """
    for above in folder.resolve().parents[:_ABOVE]:
        for path in sorted(above.glob(f"*/{FILE}")):
            tried, found = _tried(path.parent)
            if found is not None and _key(diagnosis) in tried:
                return found
    return None


@functools.lru_cache(maxsize=16)  # a sweep asks for each of its trials
def _tried(search: Path) -> tuple[frozenset[_Key], Found | None]:
    """What a bisection tried that failed as was sought, and what it was shrunk to, if it was."""
    try:
        result = Result.load(search)
    except MatrixError:
        return frozenset(), None
    found = _shrunk(search, result)
    if found is None or not found.changed:
        return frozenset(), None
    keys = set()
    for folder in (
        *_failed_so(search, result.runs, result),
        *_failed_so(search / SHRINK, _runs(search / SHRINK), result),
    ):
        with contextlib.suppress(stored.StoredError):
            keys.add(_key(stored.run(folder)))
    return frozenset(keys), found


def _shrunk(search: Path, result: Result) -> Found | None:
    """The smallest cell's run; None if it was not shrunk, or nothing is left of its runs."""
    smallest = result.facts.get("smallest")
    if not isinstance(smallest, Mapping):
        return None
    runs = [*_runs(search / SHRINK)]
    of_it = [run for run in runs if _typed(dict(run.candidate)) == _typed(smallest)]
    for folder in _failed_so(search / SHRINK, of_it, result):
        changed = _changed(search, result, smallest)
        says = (*_bisected(result), *_shrinking(changed, len(result.runs) + len(runs)), *_surroundings(smallest))
        return Found(folder, changed, says)
    return None


def _failed_so(search: Path, runs: Iterable[Run[Any]], result: Result) -> Iterator[Path]:
    """The folders, as far as they are there, of runs that failed as was sought."""
    signature = result.certificate.signature if result.certificate else None
    for run in runs:
        failed = run.signature == signature if signature is not None else run.ended is Ended.FROZE
        if failed and run.folder is not None and (search / run.folder / stored.DIAGNOSIS_FILE).is_file():
            yield search / run.folder


def _changed(search: Path, result: Result, smallest: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """From the cell that the person began with; where that is not known, from the smallest difference."""
    first = _json(search / ABOUT).get("bad")
    if isinstance(first, Mapping) and set(first) == set(smallest):
        return {
            name: (old, smallest[name])
            for name, old in first.items()
            if _typed({name: old}) != _typed({name: smallest[name]})
        }
    told = result.facts.get("shrunk")
    return {name: (old, new) for name, (old, new) in told.items()} if isinstance(told, Mapping) else {}


def _bisected(result: Result) -> Iterator[str]:
    levels = result.facts.get("levels")
    if isinstance(levels, Mapping) and levels:
        each = [f"{name}={_level(bad)} (with {_level(good)} it passes)" for name, (good, bad) in levels.items()]
        told = wording.listed(each)
        yield f"What brings the failure was bisected to {told}"
    elif result.conclusion is not None:
        package = f"{result.facts['package']} " if result.facts.get("package") else ""
        yield f"What brings the failure was bisected to {package}{name_of(result.conclusion.culprit)}"
    good, bad = result.facts.get("good"), result.facts.get("bad")
    if isinstance(good, Mapping) and isinstance(bad, Mapping):
        yield f"With {good.get('version')} it passes, with {bad.get('version')} it fails"


def _shrinking(changed: Mapping[str, tuple[Any, Any]], runs: int) -> Iterator[str]:
    if changed:
        told = ", ".join(f"{name} from {_level(old)} to {_level(new)}" for name, (old, new) in changed.items())
        yield (
            f"In {wording.count(runs, 'run')} the configuration was shrunk to the smallest found that still fails in "
            f"the same way: {told}"
        )
    else:
        yield f"No smaller configuration was found that fails in the same way, in {wording.count(runs, 'run')}"


def _surroundings(levels: Mapping[str, Any]) -> Iterator[str]:
    """Variables of the environment, which are in no command."""
    told = [f"{name}={level}" for name, level in levels.items() if name.isupper() and level is not UNSET]
    if told:
        yield f"It ran with {wording.listed(told)} in its environment"


def _key(diagnosis: Diagnosis) -> _Key:
    """The same for runs of the same settings, with the same libraries, that failed in the same way."""
    seen = observed(diagnosis)
    failure = (str(diagnosis.verdict), seen.phase, seen.culprit, seen.signal, masked(seen.exception or ""))
    installed = diagnosis.environment.get("packages") or {}
    return _settings(diagnosis), failure, tuple(installed.get(name) for name in _LIBRARIES)


def _settings(diagnosis: Diagnosis) -> tuple[str, ...]:
    """The words of the command behind the interpreter, but for those that a repetition changes."""
    words = list(diagnosis.command[1:])
    return tuple(
        word
        for place, word in enumerate(words)
        if word.partition("=")[0] not in _NO_SETTINGS and (not place or words[place - 1] not in _NO_SETTINGS)
    )


def _runs(folder: Path) -> Iterator[Run[Any]]:
    try:
        lines = (folder / RUNS).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError):  # the last one may have been cut off by a kill
            yield Run.from_json(json.loads(line))


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _typed(levels: Mapping[str, Any]) -> dict[str, Any]:
    """Comparable whether they came from JSON or not; True and 1 are two levels, though equal."""
    return {
        name: tuple(level) if isinstance(level, (list, tuple)) else (type(level).__name__, level)
        for name, level in levels.items()
    }


def _level(level: object) -> str:
    return str(level).lower() if isinstance(level, bool) else str(level)
