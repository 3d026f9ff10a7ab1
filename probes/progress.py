"""What a run's flight recorders tell over time: does the user's count move, does anything inside, how far is it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probes.flight import Event, FlightError, FlightRecording, State
from probes.pace import Slowing
from probes.track import Track

STANDSTILL_FLOOR_S = 3.0
"""Below this no one calls a progress bar stuck."""
STANDSTILL_PACES = 20.0
"""A standstill is at least so many of the run's own usual intervals between two steps."""
SILENCE_FLOOR_S = 2.0
OUTSIDE_SILENCE_FLOOR_S = 10.0
"""Before training there is no history, and loading data takes its time."""
TRAINED_SILENCE_FLOOR_S = 5.0
"""After it threads are joined and files are closed, which goes faster."""
SILENCE_FACTOR = 5.0
"""Silence is longer than so many times the longest stay in that phase so far."""
_MOSTLY = 0.6
_KEPT_ITERATIONS = 200
_STEP_ENDS_NS = 1_000_000_000
"""Marks passed so soon after a step still belong to it: they show no life during a standstill."""

_OF_OTHERS = ("learn", "collect", "train", "epoch", "eval")
"""Phases made of others: how long they last says nothing of how long nothing happens in them."""

TOP_PHASES = ("collect", "advantage", "train", "callback", "eval", "save")
"""The phases that a report names; the others are parts of these."""


def top_phase(path: tuple[str, ...]) -> str | None:
    """The innermost of the open phases that a report names; ``setup`` inside learn but in none of them."""
    for name in reversed(path):
        if name in TOP_PHASES:
            return name
    return "setup" if path else None


def _count(state: State, phase: str) -> int:
    return state.phases[phase].count if phase in state.phases else 0


def _first_step(track: Track) -> int:
    """Where the count began: a model that goes on learning keeps its own, and wants as many more in all."""
    asked = (track.recording.text("facts") or {}).get("total_timesteps")
    return max(track.state.total_steps - asked, 0) if isinstance(asked, int) else 0


@dataclass(frozen=True)
class Taken:
    """What was taken of environments so far."""

    learnt: int
    """How far the user's count has moved."""
    steps: int
    """Steps that the training process took, evaluations included: of vectorised environments all at once."""
    episodes: int
    """How often an innermost environment was reset, in all processes."""


@dataclass
class Standstill:
    """A time in which the user-visible step count did not move."""

    step: int
    since_ns: int
    until_ns: int
    path: tuple[str, ...]
    """The phases that were open when it was noticed."""
    events: int
    """Marks passed in that time."""
    gap_s: float = 0.0
    """The longest time in it without any."""
    ended: bool = False
    before: Taken = Taken(0, 0, 0)
    """When it was noticed."""
    after: Taken = Taken(0, 0, 0)
    """When it was looked at last."""

    @property
    def lasted_s(self) -> float:
        return (self.until_ns - self.since_ns) / 1e9

    @property
    def moved(self) -> bool:
        """Whether something went on all the time; a few marks before or after a long silence are no work."""
        return self.events > 0 and self.gap_s < _MOSTLY * self.lasted_s

    @property
    def phase(self) -> str | None:
        """The phase in which the step count stood still."""
        return top_phase(self.path)


@dataclass
class Iteration:
    """One rollout and the update after it."""

    step: int
    collect_s: float
    train_s: float | None = None
    minibatches: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "collect_s": round(self.collect_s, 4),
            "train_s": None if self.train_s is None else round(self.train_s, 4),
            "minibatches": self.minibatches,
        }


class Progress:
    """
    Follows all flight recorders in a folder.

    :param folder: where the agent writes them; may be empty still.
    :param began_ns: nothing before it is looked for: a process that was started earlier only waited.
    """

    def __init__(self, folder: Path, began_ns: int = 0) -> None:
        self._folder = folder
        self._began_ns = began_ns
        self._tracks: dict[Path, Track] = {}
        self._moving_ns = 0
        self._steps_moved = 0
        self._steps_unseen = 0
        """By how much the count had moved when it was first read, of ``_counted`` at last."""
        self._counted: Track | None = None
        self.iterations: list[Iteration] = []
        self.standstills: list[Standstill] = []

    def close(self) -> None:
        """Closes the files."""
        for track in self._tracks.values():
            track.recording.close()

    def poll(self, now_ns: int) -> None:
        """Reads what is new."""
        for path in sorted(self._folder.glob("*.bin")):
            if path not in self._tracks:
                try:
                    recording = FlightRecording(path)
                    state = recording.state()
                except FlightError:
                    continue  # its header is written last: looked at again next time
                self._tracks[path] = Track(recording, state, state)
        for track in self._tracks.values():
            with contextlib.suppress(FlightError):  # cut short by somebody: its last state stands
                track.read(now_ns)
        training = self._training()
        if training is not None:
            with contextlib.suppress(FlightError):
                for event in training.recording.new_events():
                    self._take(event, training.state)
            self._follow_step(training, now_ns)

    def _training(self) -> Track | None:
        """The process that trains: no worker, with a step count, or else an open ``learn``, or else most events."""
        return max(
            self._tracks.values(),
            key=lambda t: (t.state.worker is None, t.state.step is not None, "learn" in t.state.path, t.state.events),
            default=None,
        )

    @property
    def state(self) -> State | None:
        """Where the training process stands; None before it has a recorder."""
        training = self._training()
        return training.state if training else None

    @property
    def train_since_ns(self) -> int | None:
        """When the update that runs began; None if none does."""
        state = self.state
        return next((since for name, since in state.stack if name == "train"), None) if state is not None else None

    def slowing(self) -> Slowing | None:
        """A phase of the training process that takes ever longer; None if there is none."""
        training = self._training()
        return training.pace.slowing() if training is not None else None

    def recent_call_s(self, phase: str) -> float | None:
        """What a call of a phase of the training process took lately; None if there is no telling."""
        training = self._training()
        return training.pace.recent_call_s(phase) if training is not None else None

    @property
    def recording(self) -> FlightRecording | None:
        """The training process's recorder."""
        training = self._training()
        return training.recording if training else None

    def recordings(self) -> Iterator[FlightRecording]:
        """All recorders, in the order of the files' names."""
        return (track.recording for track in self._tracks.values())

    def states(self) -> Iterator[tuple[FlightRecording, State]]:
        """All recorders with where their processes stood last."""
        return ((track.recording, track.state) for track in self._tracks.values())

    def findings(self) -> list[dict[str, Any]]:
        """What the checks of the training data found, in any process: see ``agent/checks``."""
        slots = (recording.text("corruption") or {} for recording in self.recordings())
        found = [slot.get("findings") for slot in slots]
        return [item for items in found if isinstance(items, list) for item in items if isinstance(item, dict)]

    def _take(self, event: Event, state: State) -> None:
        iterations = self.iterations
        if event.phase == "collect" and not event.entered:
            iterations.append(Iteration(event.step, event.took_s))
            # Off-policy training has one at every step or so: keep the beginning and the end.
            if len(iterations) > _KEPT_ITERATIONS:
                del iterations[_KEPT_ITERATIONS // 2]
        elif event.phase == "train" and not event.entered and iterations:
            iterations[-1].train_s = event.took_s
            iterations[-1].minibatches = max(event.epoch - 1, 0) * state.n_minibatches + event.minibatch

    def _follow_step(self, track: Track, now_ns: int) -> None:
        state, previous = track.state, track.previous
        if state.step is None:
            return
        last = self.standstills[-1] if self.standstills else None
        moved = state.step - previous.step if previous.step is not None else 0
        if track is not self._counted:
            self._counted = track
            self._steps_unseen += max(state.step - _first_step(track), 0)
        if previous.step is None or now_ns - state.step_ns < _STEP_ENDS_NS:
            track.events_at_step = state.events
        if moved:
            moving_ns = max(state.step_ns - previous.step_ns, 0)
            if last is not None and not last.ended:
                last.ended = True
                # It moved somewhere between two polls: when is told by the pace.
                usual_ns = int((self.step_interval_s() or 0.0) * 1e9) * abs(moved)
                last.until_ns = max(last.until_ns, state.step_ns - usual_ns)
                moving_ns = max(state.step_ns - last.until_ns, 0)
            self._steps_moved += abs(moved)
            self._moving_ns += moving_ns
            track.events_at_step = state.events
        elif not state.path:
            # Learning is over: the count has no reason to move any more.
            if last is not None:
                last.ended = True
        elif now_ns - state.step_ns >= self._standstill_ns():
            if last is None or last.ended:
                taken = self._taken(track)
                last = Standstill(state.step, state.step_ns, now_ns, state.path, 0, before=taken, after=taken)
                self.standstills.append(last)
            last.until_ns = now_ns
            last.after = self._taken(track)
            last.events = state.events - track.events_at_step
            last.gap_s = max(last.gap_s, (now_ns - track.alive_ns) / 1e9)

    def _taken(self, training: Track) -> Taken:
        resets = sum(_count(track.state, "env.reset") for track in self._tracks.values())
        return Taken(self._steps_unseen + self._steps_moved, _count(training.state, "env.step"), resets)

    def step_interval_s(self) -> float | None:
        """The run's usual time between two visible steps, standstills left out; None before there are two."""
        if self._steps_moved == 0:
            return None
        return self._moving_ns / 1e9 / self._steps_moved

    def _standstill_ns(self) -> float:
        return max(STANDSTILL_FLOOR_S, STANDSTILL_PACES * (self.step_interval_s() or 0.0)) * 1e9

    def stands_still(self) -> bool:
        """Whether the user-visible step count stands still right now."""
        return bool(self.standstills) and not self.standstills[-1].ended

    def silence_s(self, now_ns: int) -> float:
        """Seconds since any process passed a mark, or began; 0 before there is one."""
        last = max((track.alive_ns for track in self._tracks.values()), default=now_ns)
        return max(now_ns - max(last, self._began_ns), 0) / 1e9

    def own_silence_s(self, now_ns: int) -> float:
        """The same without the time in which the training wanted a core and others had them all."""
        training = self._training()
        starved_s = training.waited_s - training.waited_at_event_s if training is not None else 0.0
        return max(self.silence_s(now_ns) - max(starved_s, 0.0), 0.0)

    def usual_stay_s(self) -> float:
        """The longest that the training process has stayed in its present innermost phase before; 0 if never."""
        training = self._training()
        if training is None or training.state.trained:
            # Outside any phase it was before, too, but to import and load, of which this is no repetition.
            return 0.0
        phase = training.state.phase
        known = training.state.phases.get(phase) if phase not in _OF_OTHERS else None
        return max(known.max_s if known else 0.0, training.stays.get(phase, 0.0))

    def is_silent(self, now_ns: int) -> bool:
        """Whether no event has come for a time far outside this phase's own history."""
        state = self.state
        floor_s = SILENCE_FLOOR_S
        if state is not None and state.starting:
            floor_s = OUTSIDE_SILENCE_FLOOR_S
        elif state is not None and (state.trained or state.exit_ns > 0):
            floor_s = TRAINED_SILENCE_FLOOR_S
        return self.own_silence_s(now_ns) > max(floor_s, SILENCE_FACTOR * self.usual_stay_s())

    def update_left_s(self, now_ns: int) -> float | None:
        """How long the running update will still take, by its pace so far; None when there is no telling."""
        state = self.state
        if state is None or self.train_since_ns is None or state.n_minibatches <= 0:
            return None
        in_epoch = max(state.minibatch - 1, 0) / state.n_minibatches
        share = (max(state.epoch - 1, 0) + in_epoch) / max(state.n_epochs, 1)
        if not 0.03 < share < 1:
            return None
        return (now_ns - self.train_since_ns) / 1e9 * (1 - share) / share

    def line(self, now_ns: int) -> str:
        """``step 2048 · train · epoch 3/10 · minibatch 17/32 · about 11 s left``."""
        state = self.state
        if state is None:
            return "starting"
        parts = [f"step {state.step}"] if state.step is not None else []
        phase = top_phase(state.path) or state.phase
        parts.append(phase)
        if phase == "train":
            if state.epoch and state.n_epochs > 1:
                parts.append(f"epoch {state.epoch}/{state.n_epochs}")
            if state.minibatch:
                parts.append(f"minibatch {state.minibatch}/{state.n_minibatches or '?'}")
            left_s = self.update_left_s(now_ns)
            if left_s is not None:
                parts.append(f"about {left_s:.0f} s left")
        elif state.phase != phase:
            parts.append(state.phase)
        silence_s = self.silence_s(now_ns)
        if self.is_silent(now_ns):
            parts.append(f"no event for {silence_s:.0f} s")
        return " · ".join(parts)
