"""The environments by name.

Adding one takes a module beside this one and a line in `ENVIRONMENTS`; nothing else knows the names.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repro.bars import Bars
    from repro.envs.interface import DualTickerEnv

# Places, not classes: listing the names in a help text must not import gymnasium.
ENVIRONMENTS: dict[str, str] = {
    "original": "repro.envs.original:OriginalEnv",
    "v3": "repro.envs.v3:V3Env",
    "dummy": "repro.envs.dummy:DummyEnv",
}


def environment_class(name: str) -> type[DualTickerEnv]:
    """Import the class of an environment.

    :param name: a key of `ENVIRONMENTS`
    :raises KeyError: if there is no environment of that name
    """
    module, _, attribute = ENVIRONMENTS[name].partition(":")
    found: type[DualTickerEnv] = getattr(importlib.import_module(module), attribute)
    return found


def make_environment(name: str, bars: Bars | None = None, episode_steps: int | None = None) -> DualTickerEnv:
    """Make an environment; picklable by name, so that worker processes can call it too.

    :param name: a key of `ENVIRONMENTS`
    :param bars: the market; without one, an environment that needs it makes a synthetic one
    :param episode_steps: longest episode in steps; without it, the environment's own
    :raises KeyError: if there is no environment of that name
    :raises BarsError: if the bars are too short, or not wanted at all
    """
    return environment_class(name)(bars, episode_steps)
