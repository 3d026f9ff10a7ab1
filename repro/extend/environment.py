"""The state of a vectorised environment, carried over from one process to the next where that is possible."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from typing import Any

_NOT_STATE = frozenset({"venv", "class_attributes"})
"""Of a wrapper: what it wraps, and what it found out about itself."""
_MAKES_ANEW = "EzPickle"
"""A class of gymnasium's whose pickle holds the arguments that an environment was made with, not its state."""


class StateLostError(Exception):
    """The environment's state can't be carried over; the text is a clause that says why."""


def taken(env: Any) -> bytes:
    """
    The state of all layers, as a pickle.

    :param env: vectorised, made of stable-baselines3's wrappers.
    :raises StateLostError: if it has none that could be pickled.
    """
    import cloudpickle

    layers = list(_layers(env))
    if not hasattr(layers[-1], "envs"):
        raise StateLostError(f"it is in the workers of {type(layers[-1]).__name__}")
    for inner in layers[-1].envs:
        for part in _wrapped(inner):
            if any(base.__name__ == _MAKES_ANEW for base in type(part).__mro__):
                raise StateLostError(f"{type(part).__name__} is pickled without its state (it is a gymnasium EzPickle)")
    try:
        pickled: bytes = cloudpickle.dumps([_state(layer) for layer in layers])
        pickle.load(io.BytesIO(pickled))  # noqa: S301 - what was just written; some things can be pickled and not read
    except Exception as error:  # noqa: BLE001 - an environment of the user's may raise anything
        raise StateLostError(f"it can't be pickled ({type(error).__name__}: {_line(error)})") from None
    return pickled


def put_back(env: Any, pickled: bytes) -> None:
    """
    The state of a checkpoint of ours, into an environment that was made in the same way.

    :raises StateLostError: if it does not fit.
    """
    layers = list(_layers(env))
    states = pickle.loads(pickled)  # noqa: S301 - written by the last piece, checked by its SHA-256
    kinds = [kind for kind, _ in states]
    if kinds != [type(layer).__name__ for layer in layers]:
        raise StateLostError(f"the environment is now made of {', '.join(type(layer).__name__ for layer in layers)}")
    for layer, (_, state) in zip(layers, states, strict=True):
        layer.__dict__.update(state)


def _state(layer: Any) -> tuple[str, dict[str, Any]]:
    return type(layer).__name__, {name: value for name, value in vars(layer).items() if name not in _NOT_STATE}


def _layers(env: Any) -> Iterator[Any]:
    """From the outermost wrapper to what holds the environments."""
    while True:
        yield env
        inner = vars(env).get("venv")
        if inner is None:
            return
        env = inner


def _wrapped(env: Any) -> Iterator[Any]:
    while True:
        yield env
        inner = vars(env).get("env")
        if inner is None:
            return
        env = inner


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]
