"""
Which environment handed out what an error or a finding is about.

Its ``step`` or ``reset`` has returned by then and is on no stack. Of an observation it is read once, from the frames of
an error that ends the run: a vectorised environment that is just storing what one of its environments gave, or a
policy that was given what is not a number. Of a reward that is no number, from the environment that learning began
with.
"""

from __future__ import annotations

import sys
import weakref
from types import FrameType, TracebackType
from typing import Any

_VECTORISED = "stable_baselines3.common.vec_env.dummy_vec_env"
_POLICIES = ("stable_baselines3.common.policies", "sb3_contrib.common.")
_LIBRARIES = frozenset({"stable_baselines3", "sb3_contrib", "gymnasium", "gym", "shimmy"})
_LAYERS = 40
"""Far more wrappers than anybody stacks; a circle of them must not hold up a dying process."""


_learns_in: Any = None
"""The vectorised environment of the model that learns, weakly."""


def learn_begins(model: Any) -> None:
    """Before ``learn``."""
    global _learns_in
    env = getattr(model, "env", None)
    _learns_in = weakref.ref(env) if env is not None else None


def of_reward(index: int) -> dict[str, Any] | None:
    """
    The environment that gave a reward, and its ``step``; as :func:`describe`.

    :param index: which of the vectorised ones.
    """
    vectorised: Any = _learns_in() if _learns_in is not None else None
    for _ in range(_LAYERS):
        if not hasattr(vectorised, "venv"):
            break
        if type(vectorised).__module__.partition(".")[0] not in _LIBRARIES:
            return None  # it may have made another reward of it
        vectorised = vectorised.venv
    envs = getattr(vectorised, "envs", None)
    return _made_by(envs[index], "step") if envs is not None and index < len(envs) else None


def describe(error: BaseException, trace: TracebackType | None) -> dict[str, Any] | None:
    """
    The environment and its method.

    :return: ``{"class", "function", "file", "line"}``; None where it is not certain.
    """
    frames = []
    while trace is not None:
        frames.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return _storing(frames) or _refused(error, [frame for frame, _ in frames])


def _storing(frames: list[tuple[FrameType, int]]) -> dict[str, Any] | None:
    """Where the vectorised environment's own code failed at what one of its environments had just returned."""
    inner = [frame for frame, _ in frames]
    while inner and _module(inner[-1]).partition(".")[0] == "numpy":
        inner.pop()
    if not inner or _module(inner[-1]) != _VECTORISED:
        return None
    known = inner[-1].f_locals
    index = known.get("env_idx")
    outer = next((frame for frame in reversed(inner) if frame.f_code.co_name in ("step_wait", "reset")), None)
    if not isinstance(index, int) or outer is None or "self" not in known:
        return None
    vectorised = known["self"]
    # An episode that is over has been followed by a reset before anything is stored.
    again = outer.f_code.co_name == "reset"
    if not again and outer is not inner[-1] and vectorised.buf_dones[index]:
        # If the episode's last observation is alike, the step gave the first of the two.
        last = vectorised.buf_infos[index].get("terminal_observation")
        again = _signature(last) != _signature(known.get("obs"))
    return _made_by(vectorised.envs[index], "reset" if again else "step")


def _signature(observation: Any) -> Any:
    """What storing an observation depends on: its keys, its shapes and what it is made of."""
    if isinstance(observation, dict):
        return {key: _signature(part) for key, part in observation.items()}
    return type(observation), getattr(observation, "shape", None), getattr(observation, "dtype", None)


def _refused(error: BaseException, frames: list[FrameType]) -> dict[str, Any] | None:
    """
    Where a policy failed at the observation of one environment: its distribution refuses the NaN that comes of one,
    and a discrete value that the space has not, has no column.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(error, (ValueError, RuntimeError)) or not frames:
        return None
    if not any(_module(frame).startswith(_POLICIES) for frame in frames):
        return None
    refused = "nan" if isinstance(error, ValueError) else "Class values must be"
    if refused not in str(error):
        return None
    for frame in reversed(frames):
        algorithm: Any = frame.f_locals.get("self")
        if frame.f_code.co_name != "collect_rollouts" or not hasattr(algorithm, "_last_obs"):
            continue
        vectorised, observations = algorithm.env, algorithm._last_obs
        for _ in range(_LAYERS):
            if not hasattr(vectorised, "venv"):
                break
            # What a normalising layer was given, not what it made of it.
            observations = getattr(vectorised, "old_obs", observations)
            vectorised = vectorised.venv
        space = vectorised.observation_space
        inner = getattr(space, "spaces", None) if isinstance(observations, dict) else {None: space}
        parts = observations if isinstance(observations, dict) else {None: observations}
        for key, part in parts.items():
            bad = [index for index, one in enumerate(part) if not _fits(one, (inner or {}).get(key), numpy)]
            if bad and hasattr(vectorised, "envs"):
                index = bad[0]
                last = vectorised.buf_infos[index].get("terminal_observation")
                last = last.get(key) if isinstance(last, dict) else last
                # The same of the episode's last observation: the step gave the first of the two.
                first = last is not None and not _fits(last, (inner or {}).get(key), numpy)
                again = algorithm._last_episode_starts[index] and not first
                return _made_by(vectorised.envs[index], "reset" if again else "step")
    return None


def _fits(one: Any, space: Any, numpy: Any) -> bool:
    """Whether a part of an observation is made of numbers and, in a discrete space, one of its values."""
    if not numpy.all(numpy.isfinite(one)):
        return False
    return not type(space).__name__.endswith("Discrete") or bool(space.contains(one))


def _made_by(env: Any, method: str) -> dict[str, Any] | None:
    """
    The one layer of an environment that is no library's, or its core if all are.

    Of several such layers each may have made the observation.
    """
    layers = [env]
    while hasattr(layers[-1], "env") and layers[-1].env is not layers[-1] and len(layers) < _LAYERS:
        layers.append(layers[-1].env)
    own = [layer for layer in layers if type(layer).__module__.partition(".")[0] not in _LIBRARIES]
    if len(own) > 1:
        return None
    cls = type(own[0] if own else layers[-1])
    for name in (method, "observation"):
        function = getattr(cls, name, None)
        code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
        if code is not None and _is_of(cls, name):
            return {
                "class": cls.__name__,
                "function": getattr(function, "__qualname__", code.co_name),
                "file": code.co_filename,
                "line": code.co_firstlineno,
            }
    return None


def _is_of(cls: type, name: str) -> bool:
    """Whether a method is defined by the class or one of its bases, other than the library's general ones."""
    owner = next((base for base in cls.__mro__ if name in vars(base)), None)
    return owner is not None and owner.__module__ not in ("gymnasium.core", "gym.core")


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
