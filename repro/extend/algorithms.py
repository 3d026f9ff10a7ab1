"""Where the algorithms are that can go on from a checkpoint."""

from __future__ import annotations

import importlib
from typing import Any

PLACES: dict[str, str] = {
    **dict.fromkeys(("A2C", "DDPG", "DQN", "PPO", "SAC", "TD3"), "stable_baselines3"),
    **dict.fromkeys(("ARS", "CrossQ", "MaskablePPO", "QRDQN", "RecurrentPPO", "TQC", "TRPO"), "sb3_contrib"),
}
"""Name of the class to the package that it is imported from."""


def by_name(name: str) -> Any:
    """
    The class of an algorithm.

    :raises ImportError: if its package is not installed, or too old to have it.
    """
    package = PLACES[name]
    try:
        return getattr(importlib.import_module(package), name)
    except AttributeError:
        raise ImportError(f"the {package} that is installed has no {name}") from None
