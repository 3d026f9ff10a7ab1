"""What ``model.save`` leaves out and ``load`` begins anew: random generators and where the last rollout ended."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

_WHERE_IT_ENDED = "_last"
"""``_last_obs``, ``_last_original_obs``, ``_last_episode_starts`` and RecurrentPPO's ``_last_lstm_states``."""
_ALSO = ("action_space", "seed")
"""Actions of the warm-up are drawn from the space's own generator, which ``load`` seeds."""


def taken(model: Any) -> dict[str, Any]:
    """Picklable; of a model whose ``learn`` has just returned."""
    attributes = {name: value for name, value in vars(model).items() if name.startswith(_WHERE_IT_ENDED)}
    return {
        "attributes": {**attributes, **{name: getattr(model, name) for name in _ALSO}},
        "random": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None,
    }


def put_back(model: Any, state: dict[str, Any], *, same_environment: bool) -> None:
    """
    :param state: of :func:`taken`.
    :param same_environment: whether the environment goes on too; otherwise ``learn`` is left to reset it.
    """
    vars(model).update(state["attributes"])
    if not same_environment:
        model._last_obs = None
    random.setstate(state["random"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all(state["cuda"])
