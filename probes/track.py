"""One process's flight recorder over time: when it was last known to be alive, and how long it stays in a phase."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from probes.flight import FlightRecording, State
from probes.pace import Pace
from probes.system import procfs

_SEEN_STAY_NS = 400_000_000
"""Seen at two polls: a stay of about that long or longer."""


@dataclass
class Track:
    """One process's recorder and its last two readings."""

    recording: FlightRecording
    state: State
    previous: State
    polled_ns: int = 0
    alive_ns: int = 0
    """When the last event came, or, where no clock was read for it, the last poll before it."""
    waited_s: float = 0.0
    """How long its main thread has wanted a core and had none so far, and by the poll that saw the last event."""
    waited_at_event_s: float = 0.0
    events_at_step: int = 0
    """Marks passed when the step count last moved."""
    pace: Pace = field(default_factory=Pace)
    stays: dict[str, float] = field(default_factory=dict)
    """Innermost phase to the longest time, in seconds, that it was seen to be left without an event."""

    def read(self, now_ns: int) -> None:
        """
        Reads where the process stands now.

        :raises FlightError: the file was cut short.
        """
        state = self.recording.state()
        # Where the marks are at rest the clock is read now and then: what has changed did so after the last poll.
        step_ns = self.polled_ns if state.step != self.state.step else self.state.step_ns
        state = replace(state, step_ns=max(state.step_ns, step_ns))
        self.previous, self.state = self.state, state
        # That it begins to shut down is a sign of life, too: what it did before has no part in how long that takes.
        known_ns = max(self.state.last_event_ns or self.recording.started_ns, self.state.exit_ns)
        if (self.state.events, self.state.step) != (self.previous.events, self.previous.step):
            stay_s = (now_ns - self.alive_ns) / 1e9
            phase = self.previous.phase
            if self.polled_ns - self.alive_ns > _SEEN_STAY_NS and stay_s > self.stays.get(phase, 0.0):
                self.stays[phase] = stay_s
            if self.previous.starting and not self.state.starting:
                # To import and to load is no part of what comes between two events of a training.
                self.stays.clear()
            known_ns = max(known_ns, self.polled_ns)
        self.waited_s = procfs.waited_for_core_s(self.recording.pid) or self.waited_s
        if known_ns > self.alive_ns:
            self.alive_ns, self.waited_at_event_s = known_ns, self.waited_s
        if self.state.step is None or self.state.step != self.previous.step:
            # While the user's count stands still, that is what has to be explained.
            self.pace.add(now_ns / 1e9, self.state.phases, self.waited_s)
        self.polled_ns = now_ns
