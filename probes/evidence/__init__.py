"""
From observations to evidence: each module looks at one kind of thing and says what it saw, or nothing.

What an observation speaks for is not decided here but in :mod:`probes.judge`.
"""

from __future__ import annotations

from probes.evidence.ending import deaths, ending_of, exception
from probes.evidence.observed import Ending, Observed
from probes.evidence.silence import silence
from probes.evidence.update import PHASE_FUNCTIONS, samples, standstills, update_calls
from probes.observer import Observations
from probes.progress import Progress


def collect(seen: Observations, progress: Progress, ending: Ending | None) -> list[Observed]:
    """All that can be said of a run so far, in the order in which it is best read."""
    found: list[Observed] = []
    if ending is not None:
        found += ending_of(ending, progress)
    found += exception(seen, progress, ending)
    found += deaths(seen)
    found += standstills(seen, progress)
    found += update_calls(seen, progress)
    found += samples(seen, progress)
    # A run that came to its end by itself was silent on its way there, if at all: it did not hang.
    well = ending is not None and ending.by_us is None and ending.status == 0
    if not well:
        found += silence(seen, progress)
    state = progress.state
    if state is None:
        found.append(
            Observed("unseen", 0.0, "the agent came into no process that trains: no progress could be seen", {})
        )
    elif state.events and (well or not seen.looks) and not progress.standstills:
        found.append(
            Observed(
                "steady",
                seen.at_s(state.last_event_ns),
                f"events came all along, {state.events} of them; the step count never stood still for long",
                {"events": state.events},
            )
        )
    found += [Observed("not-observed", 0.0, f"could not be observed: {reason}", {}) for reason in seen.failures]
    return found


__all__ = ["PHASE_FUNCTIONS", "Ending", "Observed", "collect"]
