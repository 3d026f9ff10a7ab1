"""``resize-buffer``: a rollout buffer that does not hold as many steps as are to be collected is made anew."""

from __future__ import annotations

import copy
import functools
from typing import Any

from .. import facts
from ..recorder import recorder
from . import log
from .interface import Patch, Remedy

ID = "resize-buffer"


def resized(buffer: Any, steps: int) -> Any:
    """An empty rollout buffer like ``buffer`` for ``steps`` steps; the old one stays as it is."""
    new = copy.copy(buffer)
    new.buffer_size = steps
    if hasattr(new, "hidden_state_shape"):
        new.hidden_state_shape = (steps, *buffer.hidden_state_shape[1:])
    new.reset()
    return new


def _wrap(collect_rollouts: Any) -> Any:
    @functools.wraps(collect_rollouts)
    def collect(
        model: Any, env: Any, callback: Any, rollout_buffer: Any, n_rollout_steps: Any, *args: Any, **kwargs: Any
    ) -> Any:
        try:
            rollout_buffer = _fitting(model, rollout_buffer, n_rollout_steps)
        except Exception as error:  # noqa: BLE001
            recorder.fault(ID, error)
            log.note(ID, log.REFUSED, "the buffer could not be made anew: %r" % error)
        return collect_rollouts(model, env, callback, rollout_buffer, n_rollout_steps, *args, **kwargs)

    return collect


def _fitting(model: Any, buffer: Any, steps: int) -> Any:
    if buffer is not model.rollout_buffer or buffer.buffer_size == steps:
        return buffer
    new = resized(buffer, steps)
    log.note(ID, log.APPLIED, "a buffer for %d steps took the place of one for %d" % (steps, buffer.buffer_size))
    model.rollout_buffer = new
    if recorder.owns_phases() and facts.last:
        facts.tell({**facts.last, "buffer": {"class": type(new).__name__, "buffer_size": steps}})
    return new


def _patch(name: str, module: Any) -> None:
    cls = getattr(module, name)
    cls.collect_rollouts = _wrap(cls.collect_rollouts)


def _patches(value: str) -> dict[str, Patch]:
    return {
        module: functools.partial(_patch, name)
        for module, name in (
            ("stable_baselines3.common.on_policy_algorithm", "OnPolicyAlgorithm"),
            ("sb3_contrib.ppo_recurrent.ppo_recurrent", "RecurrentPPO"),
            ("sb3_contrib.ppo_mask.ppo_mask", "MaskablePPO"),
        )
    }


REMEDY = Remedy(
    id=ID,
    changes="when a rollout begins and n_steps is not the size of the rollout buffer, a buffer of that size takes its "
    "place",
    results="The run is the one that a model built with that n_steps would have made. One whose buffer fits is not "
    "changed.",
    patches=_patches,
    cures=("n-steps-changed",),
)
