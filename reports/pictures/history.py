"""What a run did over time, read from its folder: phases, visible steps, events inside, processor time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from probes.diagnosis import Diagnosis
from probes.flight import Event, FlightError, FlightRecording, State
from probes.progress import TOP_PHASES, top_phase
from probes.verdicts import Verdict

_BEFORE_AGENT_S = 0.05
"""From the start of an interpreter to that of the agent in it."""
_SAMPLED_S = 2.0
"""Between two records of a phase that is recorded now and then there is no more time."""
_MERGED = 1 / 1500
"""Of the whole time: gaps too short to be seen are closed."""


@dataclass(frozen=True)
class Span:
    """A stay in a phase."""

    phase: str
    start_s: float
    end_s: float
    ended: bool = True
    """False if it was still going on when the run ended."""
    whole: bool = True
    """False if it stands for several short stays with others between them."""


@dataclass(frozen=True)
class Reading:
    """One of the readings that are taken twice a second."""

    at_s: float
    step: int | None
    events: int
    cores: float | None
    """Processor time over wall time since the reading before; None at the first."""
    phase: str | None
    runnable: int | None = None
    """Threads that ran or wanted to, at that moment."""


@dataclass(frozen=True)
class History:
    """A run over time; times are seconds after its start."""

    lasted_s: float
    spans: tuple[Span, ...]
    readings: tuple[Reading, ...]
    suspected_s: float | None
    verdict: str


def history(folder: Path, diagnosis: Diagnosis) -> History:
    """
    Reads a run's folder.

    What is missing or damaged is left out: a picture of a part is better than none.
    """
    readings = tuple(read_readings(folder / "readings.jsonl"))
    timing = diagnosis.timing
    lasted_s = max([timing.observed_s, *(item.at_s for item in readings)])
    ended = diagnosis.verdict is not Verdict.EXIT_HANG
    spans = _spans(folder, readings, lasted_s, ended=ended)
    return History(lasted_s, tuple(spans), readings, timing.detected_after_s, str(diagnosis.verdict))


def read_readings(path: Path) -> Iterator[Reading]:
    """Those of a run's ``readings.jsonl``; nothing where that is gone."""
    before: dict[int, float] = {}
    before_s: float | None = None
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for text in lines:
                try:
                    value = json.loads(text)
                    at_s = float(value["at_s"])
                    cpu = {int(item["pid"]): float(item["cpu_s"]) for item in value["processes"]}
                    step, events, path_ = value["step"], value["events"], value["path"]
                    phase = top_phase(tuple(path_ or ()))
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    continue  # the last line of a run that was killed
                cores = None
                if before_s is not None and at_s > before_s:
                    used = sum(max(cpu_s - before.get(pid, cpu_s), 0.0) for pid, cpu_s in cpu.items())
                    cores = used / (at_s - before_s)
                before, before_s = cpu, at_s
                counted = events if isinstance(events, int) else 0
                wanted = value.get("runnable")
                runnable = wanted if isinstance(wanted, int) else None
                yield Reading(at_s, step if isinstance(step, int) else None, counted, cores, phase, runnable)
    except OSError:
        return


def _spans(folder: Path, readings: tuple[Reading, ...], lasted_s: float, *, ended: bool) -> list[Span]:
    read = _recorded(folder)
    if read is None:
        return list(_seen(readings, lasted_s, lasted_s))
    recording, state, events = read
    zero_ns = _started_ns(folder, recording)

    def at_s(ns: int) -> float:
        return min(max((ns - zero_ns) / 1e9, 0.0), lasted_s)

    first_s = at_s(events[0].at_ns) if events else lasted_s
    # What the ring has forgotten, the readings remember roughly.
    spans = list(_seen(readings, first_s, lasted_s)) if events and events[0].number > 1 else []
    spans += _outside(events, state, at_s, lasted_s, ended=ended)
    opened: dict[str, float] = {}
    for event in events:
        if event.phase not in TOP_PHASES:
            continue
        if event.entered:
            opened[event.phase] = at_s(event.at_ns)
        else:
            start_s = opened.pop(event.phase, max(at_s(event.at_ns) - event.took_s, first_s))
            spans.append(Span(event.phase, start_s, at_s(event.at_ns)))
    spans += [Span(phase, start_s, lasted_s, ended=False) for phase, start_s in opened.items()]
    # Short ones that come often are recorded now and then; in between it went on so.
    passed = Counter(event.phase for event in events if not event.entered)
    sampled = any(phase in state.phases and state.phases[phase].count > passed[phase] for phase in ("collect", "train"))
    return _merged(spans, max(lasted_s * _MERGED, _SAMPLED_S if sampled else 0.0))


def _recorded(folder: Path) -> tuple[FlightRecording, State, list[Event]] | None:
    """The training process's recorder: no worker, with a step count, or else most events."""
    found = []
    for path in sorted((folder / "flight").glob("*.bin")):
        try:
            recording = FlightRecording(path)
        except FlightError:
            continue
        try:
            found.append((recording, recording.state(), list(recording.new_events())))
        except FlightError:
            continue
        finally:
            recording.close()
    return max(
        found, key=lambda item: (item[1].worker is None, item[1].step is not None, item[1].events), default=None
    )  # fmt: skip


def _outside(
    events: list[Event], state: State, at_s: Callable[[int], float], lasted_s: float, *, ended: bool
) -> Iterator[Span]:
    """The time before learning began and after it ended."""
    learnt = [event for event in events if event.phase == "learn"]
    entered = next((event for event in learnt if event.entered), None)
    if entered is not None:
        yield Span("setup", 0.0, at_s(entered.at_ns))
    elif not events and not state.stack:
        yield Span("setup", 0.0, lasted_s, ended=False)
    if learnt and not learnt[-1].entered:
        yield Span("exit", at_s(learnt[-1].at_ns), lasted_s, ended=ended)


def _started_ns(folder: Path, recording: FlightRecording) -> int:
    """When the run began, on the clock of the recorder."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        known = meta.get("started_monotonic_ns")
    except (OSError, ValueError, AttributeError):
        known = None
    return known if isinstance(known, int) else recording.started_ns - int(_BEFORE_AGENT_S * 1e9)


def _seen(readings: Iterable[Reading], until_s: float, lasted_s: float) -> Iterator[Span]:
    """Stays as the readings saw them, to half a second."""
    phase, start_s, at_s = None, 0.0, 0.0
    for reading in readings:
        if reading.at_s > until_s:
            break
        if reading.phase != phase:
            if phase is not None:
                yield Span(phase, start_s, reading.at_s)
            phase, start_s = reading.phase, reading.at_s
        at_s = reading.at_s
    if phase is not None:
        ends_s = until_s if until_s < lasted_s else lasted_s
        yield Span(phase, start_s, max(ends_s, at_s), ended=until_s < lasted_s)


def _merged(spans: Iterable[Span], gap_s: float) -> list[Span]:
    last: dict[str, Span] = {}
    done = []
    for span in sorted(spans, key=lambda item: item.start_s):
        before = last.get(span.phase)
        if before is not None and span.start_s - before.end_s <= gap_s:
            last[span.phase] = Span(
                span.phase, before.start_s, max(span.end_s, before.end_s), before.ended and span.ended, whole=False
            )  # fmt: skip
            continue
        if before is not None:
            done.append(before)
        last[span.phase] = span
    return sorted([*done, *last.values()], key=lambda item: item.start_s)
