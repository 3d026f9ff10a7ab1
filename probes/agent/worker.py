"""Which worker of a vectorised environment a process is: the parent numbers what it sends, the worker reads it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from . import layout
from .marks import Function
from .recorder import recorder

_NUMBER = "freezelab_worker"


def numbered(functions: Sequence[Function]) -> list[Function]:
    """The same functions, each with its place: as an attribute, which cloudpickle takes along."""
    found: list[Function] = []
    for number, function in enumerate(functions):
        # A partial of nothing: it works where there is no agent.
        part = functools.partial(function)
        setattr(part, _NUMBER, number)
        found.append(part)
    return found


def number_of(function: object) -> object:
    """The place that :func:`numbered` gave; None if it gave none."""
    return getattr(function, _NUMBER, None)


def numbering(function: Function) -> Function:
    """The ``__init__`` of a vectorised environment in processes: its second argument are their functions."""

    @functools.wraps(function)
    def init(self: Any, env_fns: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            env_fns = numbered(env_fns)
        except Exception as error:  # noqa: BLE001
            recorder.fault("workers", error)
        return function(self, env_fns, *args, **kwargs)

    return init


def as_worker(function: Function, number: Callable[[tuple[Any, ...]], object]) -> Function:
    """
    The function that a worker process runs.

    :param number: its place, from the arguments.
    """

    @functools.wraps(function)
    def worker(*args: Any, **kwargs: Any) -> Any:
        try:
            recorder.gauge(layout.WORKER_INDEX, number(args))
        except Exception as error:  # noqa: BLE001
            recorder.fault("worker", error)
        return function(*args, **kwargs)

    return worker
