"""The environments by name: ours, and any of the user's.

Adding one of ours takes a module beside this one and a line in `ENVIRONMENTS`; nothing else knows the names.
One of the user's is named by its place, ``module:Class`` or ``module:function``.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gymnasium

    from repro.bars import Bars
    from repro.envs.interface import DualTickerEnv

# Places, not classes: listing the names in a help text must not import gymnasium.
ENVIRONMENTS: dict[str, str] = {
    "original": "repro.envs.original:OriginalEnv",
    "v3": "repro.envs.v3:V3Env",
    "dummy": "repro.envs.dummy:DummyEnv",
}
_NAME = r"[^\W\d]\w*"
_PLACE = re.compile(rf"{_NAME}(\.{_NAME})*:{_NAME}(\.{_NAME})*")


def is_users(name: str) -> bool:
    """Whether the name is the place of something of the user's: ``mypkg.envs:MyEnv``."""
    return _PLACE.fullmatch(name) is not None


def environment_class(name: str) -> type[DualTickerEnv]:
    """Import the class of one of our environments.

    :param name: a key of `ENVIRONMENTS`
    :raises KeyError: if there is no environment of that name
    """
    found: type[DualTickerEnv] = _at(ENVIRONMENTS[name])
    return found


def make_environment(name: str, bars: Bars | None = None, episode_steps: int | None = None) -> gymnasium.Env:
    """Make an environment; picklable by name, so that worker processes can call it too.

    :param name: a key of `ENVIRONMENTS`, or the place of a class or function that is called without arguments
    :param bars: the market; without one, an environment that needs it makes a synthetic one
    :param episode_steps: longest episode in steps; without it, the environment's own
    :raises KeyError: if there is no environment of that name
    :raises BarsError: if the bars are too short, or not wanted at all
    :raises ImportError, AttributeError: if nothing of the user's is at that place
    :raises TypeError: if what is there makes no gymnasium environment
    """
    if is_users(name):
        return _users(name, episode_steps)
    return environment_class(name)(bars, episode_steps)


def _users(name: str, episode_steps: int | None) -> gymnasium.Env:
    import gymnasium

    make = _at(name)
    if not callable(make):
        raise TypeError(f"{name} is {make!r}, neither a class of environments nor a function that makes one")
    made = make()
    if not isinstance(made, gymnasium.Env):
        raise TypeError(f"{name} made {made!r}, which is no gymnasium.Env")
    return made if episode_steps is None else gymnasium.wrappers.TimeLimit(made, episode_steps)


def _at(place: str) -> Any:
    module, _, names = place.partition(":")
    found: Any = importlib.import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    return found
