"""
Calls that travel as bytes which nobody opens but the worker, as it runs them.

Dask opens what it is given by itself, on the scheduler and as a worker receives it: where FreezeLab is missing, or is
another, the scheduler would refuse everything and the worker would break down. So it gets ``pickle.loads`` to run.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

OPEN = pickle.loads
"""What a worker is to run with a letter: it does the call, and gives what :func:`read_reply` reads."""


def letter(function: Callable[..., Any], *arguments: Any) -> bytes:
    """
    A call of a function of ours.

    :param function: one that can be imported where it is opened; else opening raises ``ImportError``.
    """
    return pickle.dumps(_Call(function, arguments))


def read_reply(reply: bytes) -> Any:
    """What the function returned."""
    return pickle.loads(reply)  # noqa: S301 - from a worker of ours; who can send it can run what it likes there


def _answer(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes:
    return pickle.dumps(function(*arguments))


class _Call:
    """Pickles as a call: unpickling does it."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._function, self._arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., bytes], tuple[Any, ...]]:
        return _answer, (self._function, self._arguments)
