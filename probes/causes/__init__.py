"""
Known causes: a matcher on evidence, an explanation in plain words, a reference, and what helps.

One file per cause; a new one is added to ``CAUSES``. A matcher needs positive evidence: no match is better than
a wrong one.
"""

from __future__ import annotations

from probes.causes import (
    action_invalid,
    allocation_refused,
    barrier_short,
    buffer_too_large,
    connect_unanswered,
    cpp_exception,
    cpu_quota,
    double_free,
    endless_evaluation,
    executor_at_exit,
    failed_assert,
    file_lock,
    foreign_free,
    fork_openmp,
    fork_with_lock,
    fsync_each_record,
    full_pipe,
    gc_storm,
    gil_held,
    gradient_steps,
    growing_history,
    heap_header,
    heap_links,
    import_lock,
    joined_thread_waits,
    lock_not_released,
    long_sleep,
    lstm_batch_first,
    mapped_file_cut,
    n_steps_changed,
    named_pipe,
    nan_distribution,
    native_recursion,
    never_notified,
    no_cuda_device,
    observation_key,
    observation_out_of_range,
    observation_reused,
    observation_shape,
    observation_type,
    padded_sequences,
    pool_lost_task,
    pool_waits_for_itself,
    process_stopped,
    queue_empty,
    queue_full,
    queue_join,
    recurrent_update_loop,
    reset_before_end,
    retry_forever,
    shared_memory_full,
    silent_peer,
    stack_smashed,
    stdin_wait,
    step_after_end,
    subnormal_numbers,
    thread_at_exit,
    too_many_threads,
    worker_at_exit,
    worker_gone,
    worker_needs_parent,
    wsl_libcuda,
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
    lock_not_released.CAUSE,
    long_sleep.CAUSE,
    named_pipe.CAUSE,
    nan_distribution.CAUSE,
    native_recursion.CAUSE,
    never_notified.CAUSE,
    observation_reused.CAUSE,
    observation_shape.CAUSE,
    padded_sequences.CAUSE,
    pool_lost_task.CAUSE,
    pool_waits_for_itself.CAUSE,
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
    # The narrower ones of these come first.
    wsl_libcuda.CAUSE,
    shared_memory_full.CAUSE,
    buffer_too_large.CAUSE,
    action_invalid.CAUSE,
    allocation_refused.CAUSE,
    cpp_exception.CAUSE,
    double_free.CAUSE,
    failed_assert.CAUSE,
    foreign_free.CAUSE,
    gc_storm.CAUSE,
    growing_history.CAUSE,
    heap_header.CAUSE,
    heap_links.CAUSE,
    mapped_file_cut.CAUSE,
    no_cuda_device.CAUSE,
    observation_key.CAUSE,
    observation_out_of_range.CAUSE,
    observation_type.CAUSE,
    reset_before_end.CAUSE,
    stack_smashed.CAUSE,
    step_after_end.CAUSE,
)


def recognise(finding: Finding) -> Cause | None:
    """The known cause that fits, if one does."""
    return next((cause for cause in CAUSES if cause.matches(finding)), None)


def by_id(cause_id: str | None) -> Cause | None:
    """The cause with that id; None if there is none."""
    return next((cause for cause in CAUSES if cause.id == cause_id), None)


__all__ = ["CAUSES", "Cause", "Finding", "by_id", "recognise"]
