"""
From observations to evidence: each module looks at one kind of thing and says what it saw, or nothing.

What an observation speaks for is not decided here but in :mod:`probes.judge`.
"""

from __future__ import annotations

from probes.evidence.attached import attached, moves
from probes.evidence.beside import beside, forked
from probes.evidence.corruption import KINDS as CORRUPTION_KINDS
from probes.evidence.corruption import corruption
from probes.evidence.death import deaths, heap_message
from probes.evidence.ending import ending_of, exception
from probes.evidence.gpu import waits_for_gpu
from probes.evidence.last_words import last_words
from probes.evidence.observed import Ending, Observed
from probes.evidence.silence import silence
from probes.evidence.slow_part import slow_part
from probes.evidence.slowing import slowing
from probes.evidence.stretches import silent_stretches
from probes.evidence.system import memory, threads_and_cores, throttling
from probes.evidence.update import (
    PHASE_FUNCTIONS,
    endless_episode,
    gradient_steps,
    padding,
    samples,
    standstills,
    subnormals,
    update_calls,
)
from probes.evidence.waiting import waiting
from probes.evidence.worker import KINDS as WORKER_KINDS
from probes.evidence.worker import ended_workers, worker_ended
from probes.observer import Observations
from probes.progress import Progress


def collect(seen: Observations, progress: Progress, ending: Ending | None) -> list[Observed]:
    """All that can be said of a run so far, in the order in which it is best read."""
    found: list[Observed] = list(attached(seen, progress))
    if ending is not None:
        found += ending_of(ending, progress)
        found += heap_message(seen, ending)
        found += last_words(seen, ending)
    ended = ended_workers(seen, progress, ending)
    of_worker = list(worker_ended(ended, progress, ending))
    found += of_worker
    found += exception(progress, ending, of_a_peer=bool(of_worker))
    found += deaths(seen)
    found += corruption(seen, progress)
    # A run that came to its end by itself was silent on its way there, if at all: it did not hang.
    well = (ending is not None and ending.by_us is None and ending.status == 0) or moves(seen, progress)
    found += _work(seen, progress, silent=bool(seen.looks) and not well)
    found += slowing(seen, progress)
    found += slow_part(seen, progress)
    found += samples(seen, progress)
    if not well:
        found += silence(seen, progress)
        found += waiting(seen, progress, ended)
        found += waits_for_gpu(seen, progress)
        found += beside(seen, progress)
        found += forked(seen, progress)
    if well or not seen.looks:
        found += silent_stretches(seen, progress)
    state = progress.state
    if state is None and not seen.attached:
        found.append(
            Observed("unseen", 0.0, "the agent came into no process that trains: no progress could be seen", {})
        )
    elif state is not None and state.events and (well or not seen.looks) and not progress.standstills:
        found.append(
            Observed(
                "steady",
                seen.at_s(state.last_event_ns),
                f"events came all along, {state.events} of them; the step count never stood still for long",
                {"events": state.events},
            )
        )
    found += throttling(seen, progress)
    found += threads_and_cores(seen, progress)
    found += memory(seen)
    found += [Observed("not-observed", 0.0, f"could not be observed: {reason}", {}) for reason in seen.failures]
    return found


def _work(seen: Observations, progress: Progress, *, silent: bool) -> list[Observed]:
    """
    What is known of times in which the step count stood still while work went on.

    :param silent: nothing is heard from inside any more: of that, a standstill which is over tells nothing.
    """
    known = list(standstills(seen, progress))
    if silent and all(still.ended for still in progress.standstills if still.moved):
        return [Observed("stood-still-before", item.at_s, item.says, item.detail) for item in known]
    for look in (endless_episode, padding, subnormals, gradient_steps, update_calls):
        known += look(seen, progress)
    return known


__all__ = ["CORRUPTION_KINDS", "PHASE_FUNCTIONS", "WORKER_KINDS", "Ending", "Observed", "collect"]
