"""
How a phase is marked: a function or method is replaced by one that opens and closes the phase around it.

Whatever goes wrong on our side is recorded and swallowed; whatever the wrapped function raises goes on unchanged.
"""

from __future__ import annotations

import copy
import functools
import sys
import types
from collections.abc import Callable
from typing import Any

from .recorder import phase_id, recorder


class Mark:
    """
    Stands in for a function and marks a phase while it runs.

    A class, not a closure, so that it can say how it is pickled: as the function it stands for.
    cloudpickle writes the classes of a user's ``__main__`` by value, and a checkpoint must not need us.
    """

    def __init__(self, function: Callable[..., Any], phase: str, before: Callable[..., None] | None = None) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._phase = phase_id(phase)
        self._before = before

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __reduce_ex__(self, protocol: object) -> str | tuple[Any, ...]:
        name: str = self._function.__qualname__
        if getattr(sys.modules.get(self._function.__module__), name, None) is self:
            # A function that a module is asked for by its name, as pickle would have written it.
            return name
        # copy.copy of a function is that function: the shortest pickle that reads back as the original.
        return copy.copy, (self._function,)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        phase = self._phase
        if recorder.top == phase:
            return self._function(*args, **kwargs)
        token = recorder.enter(phase)
        try:
            if self._before is not None:
                try:
                    self._before(*args, **kwargs)
                except Exception as error:  # noqa: BLE001
                    recorder.fault(self._function.__qualname__, error)
            return self._function(*args, **kwargs)
        except BaseException as error:
            note_failure(error)
            raise
        finally:
            recorder.leave(token)


class Failure:
    """
    The error that is on its way through the phases, and where it started.

    Known by its address, never held: an error keeps its traceback alive, and that all the tensors in its frames.
    """

    address = 0
    depth = 0
    phases: tuple[int, ...] = ()
    step = -1


def note_failure(error: BaseException) -> None:
    """Remembers the innermost phases an error passed through: when it reaches the top they are closed."""
    depth = len(recorder.stack)
    # On its way out an error only gets shallower: what is as deep again is a new one at the old one's address.
    if Failure.address != id(error) or depth >= Failure.depth:
        Failure.address = id(error)
        Failure.phases = tuple(phase for phase, _ in recorder.stack)
        Failure.step = recorder.words[2]
    Failure.depth = depth


_watched: list[tuple[Any, Callable[[Any], None]]] = []
"""Each class that is watched, with the function that marks a subclass of it."""


def mark_again(cls: type) -> None:
    """Marks what a class got after it was made: cloudpickle makes it empty and fills it in later."""
    for base, mark in _watched:
        if issubclass(cls, base):
            mark(cls)


def watch_class(
    base: Any,
    methods: dict[str, str],
    wrap: Callable[[Callable[..., Any], str, str], Any],
    skip: Callable[[type], bool] = lambda cls: False,
) -> None:
    """
    Wraps ``methods`` where ``base`` and each present or later subclass defines them.

    :param base: a class of the library.
    :param methods: method name to phase.
    :param wrap: ``wrap(function, phase, name)`` gives the replacement.
    :param skip: classes to leave alone.
    """

    def mark(cls: type) -> None:
        if skip(cls):
            return
        for name, phase in methods.items():
            function = cls.__dict__.get(name)
            if isinstance(function, types.FunctionType) and not getattr(function, "__isabstractmethod__", False):
                setattr(cls, name, wrap(function, phase, name))

    inherited = base.__dict__.get("__init_subclass__")

    def init_subclass(cls: type, /, **kwargs: Any) -> None:
        if inherited is not None:
            inherited.__get__(None, cls)(**kwargs)
        else:
            super(base, cls).__init_subclass__(**kwargs)
        try:
            mark(cls)
        except Exception as error:  # noqa: BLE001
            recorder.fault("subclass of " + base.__name__, error)

    _watched.append((base, mark))
    base.__init_subclass__ = classmethod(init_subclass)
    waiting = [base]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        mark(cls)
