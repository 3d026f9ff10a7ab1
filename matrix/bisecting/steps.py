"""
Where two runs part, and where a frozen one stood last: read from what both left behind, with no further run.

The fingerprints (checksums of each rollout's arrays) of a run A, of a run B that differs, and of a repeat of A: what
already differs between A and its repeat is nondeterminism; what differs between A and B before that has a cause.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matrix.errors import MatrixError
from probes import fingerprint
from probes.fingerprint import Rollout
from probes.flight import FlightError, FlightRecording

COLLECT, ADVANTAGE, TRAIN, SETUP = "collect", "advantage", "train", "setup"
_WITHIN_STEP = (
    "observations",
    "hidden_states_pi",
    "cell_states_pi",
    "hidden_states_vf",
    "cell_states_vf",
    "episode_starts",
    "action_masks",
    "values",
    "log_probs",
    "actions",
    "rewards",
)
"""In the order of cause and effect within a step. An array that is none of them comes last."""
AFTERWARDS = ("advantages", "returns")
"""Made of all steps, from the last to the first: they tell something only where nothing before them differs."""
_BY_THE_POLICY = frozenset({"values", "log_probs", "actions"})


@dataclass(frozen=True)
class Parting:
    """The first difference between two runs."""

    rollout: int
    step: int
    """The step count as callbacks saw it last."""
    phase: str
    """In which it came about, as far as the fingerprint tells."""
    array: str | None
    """None: one of the runs has no more rollouts, or buffers of another shape."""
    env: int | None
    rows: tuple[int, int] | None
    """First and last row of the block that differs first."""
    says: str

    @property
    def place(self) -> tuple[int, int, int]:
        """To be compared: earlier places are smaller."""
        return self.rollout, 1 if self.array in AFTERWARDS else 0, self.rows[0] if self.rows else 0


@dataclass(frozen=True)
class LastEvent:
    """Where a process stood when nothing came any more."""

    pid: int
    process: str
    """``main`` or ``worker N``."""
    path: tuple[str, ...]
    """Open phases, outermost first."""
    step: int | None
    epoch: int
    minibatch: int
    n_minibatches: int
    event: str | None
    """The last recorded event: ``entered env.step``; marks that come with every step are counted, not recorded."""
    events: int
    """All that came."""
    at_s: float | None
    """Of the last event whose time is known, after the process began to be recorded."""


@dataclass(frozen=True)
class Comparison:
    """Of two runs, or three."""

    parting: Parting | None
    """None: A and B agree as far as both went."""
    noise: Parting | None
    """Between A and its repeat."""
    repeated: bool
    """Whether there was a repeat to compare with."""
    compared: int
    """Rollouts that both A and B have."""
    last: tuple[LastEvent, ...]
    """Of B's processes, the main one first."""

    @property
    def judgement(self) -> str:
        """What A's repeat makes of the difference, in a sentence."""
        if self.parting is None:
            return "the runs agree in all that both recorded"
        if not self.repeated:
            return "whether that is chance or has a cause, a repeat of A tells: --repeat RUN_A2"
        if self.noise is None:
            return "A and its repeat agree throughout: the difference has a cause, and it acts here or just before"
        if self.noise.place > self.parting.place:
            return "A and its repeat part later: this difference comes first, which speaks for a cause"
        return "A and its repeat part there or before: the run is not deterministic, and the difference says nothing"

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {"schema": "freezelab.steps/1", **asdict(self), "judgement": self.judgement}


def compare_runs(run_a: Path, run_b: Path, repeat: Path | None) -> Comparison:
    """
    Compares what runs left in their folders.

    :param repeat: A once more, with nothing changed.
    :raises MatrixError: one is no run's folder; or there is neither a fingerprint nor a flight recording.
    """
    for folder in (run_a, run_b, *([repeat] if repeat else [])):
        if not (folder / "flight").is_dir():
            raise MatrixError(f"{folder}: no run's folder; name one that freezelab run --out has written")
    a, b = (fingerprint.read(folder / "flight") for folder in (run_a, run_b))
    again = fingerprint.read(repeat / "flight") if repeat else []
    last = tuple(last_events(run_b))
    if not a and not last:
        raise MatrixError(f"{run_a}: has no fingerprint; only rollouts of stable-baselines3's own buffers have one")
    if repeat and a and not again:
        raise MatrixError(f"{repeat}: has no fingerprint, so it can't be the repeat of {run_a}")
    shared = {rollout.number for rollout in a} & {rollout.number for rollout in b}
    # Without any in B it froze before the first was full: its last event is all that there is.
    parting = first_difference(a, b) if a and b else None
    noise = first_difference(a, again) if repeat else None
    return Comparison(parting, noise, repeat is not None, len(shared), last)


def first_difference(one: Sequence[Rollout], other: Sequence[Rollout]) -> Parting | None:
    """
    Where two runs first differ; None if they agree, of which one may have gone on for longer.

    In a rollout the earliest row counts, then the array that comes first within a step.
    """
    others = {rollout.number: rollout for rollout in other}
    for rollout in one:
        twin = others.get(rollout.number)
        if twin is not None and (found := _difference(rollout, twin)) is not None:
            return found
    return None


def _difference(one: Rollout, other: Rollout) -> Parting | None:
    shape = (one.envs, one.steps, one.rows, one.group, one.arrays.keys())
    if shape != (other.envs, other.steps, other.rows, other.group, other.arrays.keys()):
        says = f"rollout {one.number} (step {one.step}): the buffers differ in shape, arrays or number of environments"
        return Parting(one.number, one.step, SETUP, None, None, None, says)
    places = list(_places(one, other))
    if not places:
        return None
    _, first_row, _, env, array, rows = min(places)
    policy = array in _BY_THE_POLICY and first_row == 0
    if array in AFTERWARDS:
        phase, why = ADVANTAGE, "all that was collected is the same"
    elif policy and one.number > 1:
        phase = TRAIN
        why = f"the policy answered otherwise from its first step: look at the update after rollout {one.number - 1}"
    elif policy:
        phase, why = SETUP, "the policy answered otherwise from its first step: its first weights or its seed differ"
    else:
        phase, why = COLLECT, "all before it is the same"
    where = f"row {rows[0]}" if rows[0] == rows[1] else f"rows {rows[0]}..{rows[1]}"
    says = f"rollout {one.number} (step {one.step}), {array}, {where}, env {env}: {why}"
    return Parting(one.number, one.step, phase, array, env, rows, says)


def _places(one: Rollout, other: Rollout) -> Iterator[tuple[bool, int, int, int, str, tuple[int, int]]]:
    """The first differing block of each array and environment, in a form whose least comes first."""
    for name, sums in one.arrays.items():
        late, rank = rank_of(name)
        for at, (mine, theirs) in enumerate(zip(sums, other.arrays[name], strict=False)):
            if mine != theirs:
                env, rows = one.place(at)
                yield late, rows[0], rank, env, name, rows


def rank_of(array: str) -> tuple[bool, int]:
    """Whether it is made of all steps together, and its place within a step; smaller comes first."""
    bare = array.partition("[")[0]
    return bare in AFTERWARDS, _WITHIN_STEP.index(bare) if bare in _WITHIN_STEP else len(_WITHIN_STEP)


def last_events(run: Path) -> Iterator[LastEvent]:
    """Where each process of a run stood last, the main one first; files that can't be read are passed over."""
    found = []
    main = _main_pid(run)
    for path in sorted((run / "flight").glob("*.bin")):
        try:
            recording = FlightRecording(path)
        except FlightError:
            continue
        try:
            event = _last_event(recording, main)
        except FlightError:
            continue
        finally:
            recording.close()
        found.append(event)
    yield from sorted(found, key=lambda one: (one.pid != main, one.process, one.pid))


def _last_event(recording: FlightRecording, main: int | None) -> LastEvent:
    state = recording.state()
    newest = max(recording.new_events(), key=lambda event: event.number, default=None)
    process = "main" if recording.pid == main else f"process {recording.pid}"
    if state.worker is not None:
        process = f"worker {state.worker}"
    return LastEvent(
        pid=recording.pid,
        process=process,
        path=state.path or (state.phase,),
        step=state.step,
        epoch=state.epoch,
        minibatch=state.minibatch,
        n_minibatches=state.n_minibatches,
        event=f"{'entered' if newest.entered else 'left'} {newest.phase}" if newest else None,
        events=state.events,
        at_s=round((state.last_event_ns - recording.started_ns) / 1e9, 3) if state.last_event_ns else None,
    )


def _main_pid(run: Path) -> int | None:
    try:
        pid = json.loads((run / "meta.json").read_text(encoding="utf-8"))["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if isinstance(pid, int) else None
