"""
How a phase is marked: a function or method is replaced by one that opens and closes the phase around it.

Whatever goes wrong on our side is recorded and swallowed; whatever the wrapped function raises goes on unchanged.
"""

from __future__ import annotations

import copy
import functools
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

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
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
    """The error that is on its way through the phases, and where it started."""

    error: BaseException | None = None
    phases: tuple[int, ...] = ()
    step = -1


def note_failure(error: BaseException) -> None:
    """Remembers the innermost phases an error passed through: when it reaches the top they are closed."""
    if Failure.error is not error:
        Failure.error = error
        Failure.phases = tuple(phase for phase, _ in recorder.stack)
        Failure.step = recorder.words[2]


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

    base.__init_subclass__ = classmethod(init_subclass)
    waiting = [base]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        mark(cls)
