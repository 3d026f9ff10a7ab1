"""
Known causes: a matcher on evidence, an explanation in plain words, a reference, and what helps.

One file per cause; a new one is added to ``CAUSES``. A matcher needs positive evidence: no match is better than
a wrong one.
"""

from __future__ import annotations

from probes.causes import (
    barrier_short,
    connect_unanswered,
    cpu_quota,
    endless_evaluation,
    executor_at_exit,
    file_lock,
    fork_openmp,
    fork_with_lock,
    fsync_each_record,
    full_pipe,
    gil_held,
    gradient_steps,
    import_lock,
    joined_thread_waits,
    lstm_batch_first,
    n_steps_changed,
    named_pipe,
    nan_distribution,
    native_recursion,
    never_notified,
    observation_reused,
    observation_shape,
    padded_sequences,
    process_stopped,
    queue_empty,
    queue_full,
    queue_join,
    recurrent_update_loop,
    retry_forever,
    silent_peer,
    stdin_wait,
    subnormal_numbers,
    thread_at_exit,
    too_many_threads,
    worker_at_exit,
    worker_gone,
    worker_needs_parent,
)
from probes.causes.interface import Cause, Finding

CAUSES: tuple[Cause, ...] = (
    recurrent_update_loop.CAUSE,
    lstm_batch_first.CAUSE,
    n_steps_changed.CAUSE,
    barrier_short.CAUSE,
    connect_unanswered.CAUSE,
    cpu_quota.CAUSE,
    endless_evaluation.CAUSE,
    executor_at_exit.CAUSE,
    file_lock.CAUSE,
    fork_openmp.CAUSE,
    fork_with_lock.CAUSE,
    fsync_each_record.CAUSE,
    full_pipe.CAUSE,
    gil_held.CAUSE,
    gradient_steps.CAUSE,
    import_lock.CAUSE,
    joined_thread_waits.CAUSE,
    named_pipe.CAUSE,
    nan_distribution.CAUSE,
    native_recursion.CAUSE,
    never_notified.CAUSE,
    observation_reused.CAUSE,
    observation_shape.CAUSE,
    padded_sequences.CAUSE,
    process_stopped.CAUSE,
    # Of a worker, this says more than that its queue is empty or full.
    worker_needs_parent.CAUSE,
    queue_empty.CAUSE,
    queue_full.CAUSE,
    queue_join.CAUSE,
    retry_forever.CAUSE,
    silent_peer.CAUSE,
    stdin_wait.CAUSE,
    subnormal_numbers.CAUSE,
    thread_at_exit.CAUSE,
    too_many_threads.CAUSE,
    worker_at_exit.CAUSE,
    worker_gone.CAUSE,
)


def recognise(finding: Finding) -> Cause | None:
    """The known cause that fits, if one does."""
    return next((cause for cause in CAUSES if cause.matches(finding)), None)


def by_id(cause_id: str | None) -> Cause | None:
    """The cause with that id; None if there is none."""
    return next((cause for cause in CAUSES if cause.id == cause_id), None)


__all__ = ["CAUSES", "Cause", "Finding", "by_id", "recognise"]
