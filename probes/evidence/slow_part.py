"""What a phase that takes ever longer spends its time with, where that is known to grow with what it is given."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from probes import code
from probes.evidence.observed import Observed
from probes.evidence.slowing import PHASES, current
from probes.observer import Observations
from probes.profile import Profile
from probes.progress import Progress
from probes.stacks import Frame

_MIN_SAMPLES = 20
_FUNCTIONS = {
    "env.step": ("step",),
    "env.reset": ("reset",),
    "policy": ("forward", "predict", "_predict"),
    "buffer.add": ("add",),
    "callback": ("on_step", "on_rollout_start", "on_rollout_end"),
    "advantage": ("compute_returns_and_advantage",),
}
"""What the methods of a phase are called, whoever defines them."""
_SHOWN_SHARE = 0.2
_COLLECTOR = re.compile(r"^_?(?:Py)?_?gc_collect|^PyGC_Collect|^_Py_RunGC")
_NUMPY_COPIES = re.compile(
    r"^(?:_?array_(?:array|asarray|asanyarray|concatenate|fromiter|copy_keeporder)\b|PyArray_Concatenate|"
    r"PyArray_DiscoverDTypeAndShape|PyArray_AssignFromCache|_array_fromobject)"
)
_PYTHON_COPIES = (
    (re.compile(r"^(?:append|stack|vstack|hstack|dstack|column_stack|insert|delete)$"), ("numpy",)),
    (re.compile(r"^(?:concat|append|__init__|from_records)$"), ("pandas",)),
    (re.compile(r"^deepcopy$"), ("python",)),
)
"""Python functions that copy whole sequences, and whose they are."""
_PANDAS_FILES = re.compile(r"/pandas/core/(?:reshape/concat|frame|internals/construction)\.py$")


def slow_part(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """What the phase that takes ever longer spends its time with: copying sequences, or collecting garbage."""
    found = current(seen, progress)
    samples = [sample for profile in seen.profiles for sample in profile.samples]
    if found is None or len(samples) < _MIN_SAMPLES:
        return
    part = _of_phase(samples, found.phase)
    if len(part) < _MIN_SAMPLES:
        return
    total = len(part)
    collecting = [sample for sample in part if any(_collects(frame) for frame in sample)]
    copies = [(sample, place) for sample in part if (place := _copies(sample)) is not None]
    rows = []
    for share, what, stacks in (
        (len(collecting) / total, "collecting garbage", [_callers(s, _first(s)) for s in collecting]),
        (len(copies) / total, "copying or converting sequences", [_callers(s, place) for s, place in copies]),
    ):
        if share >= _SHOWN_SHARE:
            caller = Counter(name for name in stacks if name is not None).most_common(1)
            rows.append(f"{what} in {share:.0%}" + (f", for {caller[0][0]}" if caller else ""))
    if not rows:
        return
    yield Observed(
        "slow-part",
        seen.at_s(seen.slowing_ns or seen.started_ns),
        f"of {total} samples of {found.phase} it was {'; '.join(rows)}",
        {"samples": total, "collecting": round(len(collecting) / total, 3), "copying": round(len(copies) / total, 3)},
    )


def _of_phase(samples: Sequence[tuple[Frame, ...]], phase: str) -> list[tuple[Frame, ...]]:
    """The samples that a phase's functions are in; an update is none of a phase that is not within it."""
    if PHASES.get(phase) == "train":
        return list(Profile(tuple(samples)).below("train").samples)
    names = _FUNCTIONS.get(phase, ())
    return [
        sample
        for sample in Profile(tuple(samples)).without("train").samples
        if any(code.bare(frame.function) in names and not code.is_engine(frame.file) for frame in sample)
    ]


def _collects(frame: Frame) -> bool:
    return frame.is_native and _COLLECTOR.match(frame.function) is not None


def _first(sample: Sequence[Frame]) -> int:
    return next(place for place, frame in enumerate(sample) if _collects(frame))


def _copies(sample: Sequence[Frame]) -> int | None:
    """Where a sample enters a function that copies or converts a whole sequence; None if it does not."""
    for place, frame in enumerate(sample):
        if frame.is_native:
            if "_multiarray_umath" in PurePath(frame.file).name and _NUMPY_COPIES.match(frame.function):
                return place
            continue
        owner = code.library(frame.file)
        for names, owners in _PYTHON_COPIES:
            if owner not in owners or not names.match(code.bare(frame.function)):
                continue
            if owner != "pandas" or _PANDAS_FILES.search(frame.file):
                return place
    return None


def _callers(sample: Sequence[Frame], place: int) -> str | None:
    """The innermost code above that is no library's."""
    outer = (frame for frame in reversed(sample[:place]) if frame.file.endswith(".py"))
    return next((frame.short for frame in outer if code.library(frame.file) is None), None)
