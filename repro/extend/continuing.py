"""Making one call of ``learn`` end early without its noticing anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def ending_at(model: Any, end: int, *, begin: int, to: int, first: bool) -> Iterator[None]:
    """
    While entered, ``learn(to - begin, reset_num_timesteps=False)`` stops at the first end of a rollout at which the
    count has reached ``end``; schedules and progress go on as if it went to ``to``.

    ``learn`` takes the count at which it ends from ``_setup_learn``, and tells ``_update_current_progress_remaining``
    of it (or of ``_total_timesteps``). Both are overridden on the instance, and not saved with it.
    (Sources: ``on_policy_algorithm.py`` and ``off_policy_algorithm.py`` of stable-baselines3, 2.0 to 2.9.)

    :param begin: the count at which the first piece began.
    :param first: whether this is that piece. Each later one finds the action noise as the last one left it:
        ``_setup_learn`` would reset it.
    """
    setup, update = model._setup_learn, model._update_current_progress_remaining

    def setup_learn(*args: Any, **kwargs: Any) -> tuple[int, Any]:
        noise = getattr(model, "action_noise", None)
        if noise is not None and not first:
            model.action_noise = None
        _, callback = setup(*args, **kwargs)
        if noise is not None and not first:
            model.action_noise = noise
        model._total_timesteps, model._num_timesteps_at_start = to, begin
        return end, callback

    def update_progress(num_timesteps: int, total_timesteps: int) -> None:
        # ARS tells what learn was given, of which the schedule of a single call would be wrong in the same way.
        update(num_timesteps, to if total_timesteps == end else total_timesteps)

    model._setup_learn, model._update_current_progress_remaining = setup_learn, update_progress
    try:
        yield
    finally:
        del model._setup_learn, model._update_current_progress_remaining
