"""
Which classes have their methods marked: a library's own, and each that a program derives from them, whenever it does.

Classes of a program's ``__main__`` travel by value, into checkpoints and to workers: what marks their methods then
stays behind.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Callable
from typing import Any

from .marks import Function
from .recorder import recorder

_MARK = "_freezelab_mark"
"""Attribute of a function that stands in for another."""


class _Around:
    """Has the marked function; pickled, it becomes something that has the original in its place."""

    __slots__ = ("_function", "marked")

    def __init__(self, function: Function, marked: Function) -> None:
        self._function = function
        self.marked = marked

    def __reduce__(self) -> tuple[Any, ...]:
        # As a state, which comes after the object: the function may lead back to it through its class.
        return types.SimpleNamespace, (), {"marked": self._function}


def by_value(function: Function, marked: Function) -> Function:
    """
    ``marked`` in a form that can be pickled by value and then works without us.

    So cloudpickle writes the classes of a user's ``__main__``, into checkpoints and to workers.
    """
    around = _Around(function, marked)

    @functools.wraps(function)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        return around.marked(*args, **kwargs)

    setattr(stand_in, _MARK, around)
    return stand_in


_LIBRARIES = frozenset({"stable_baselines3", "sb3_contrib", "gymnasium", "gym", "torch"})
"""Their classes are pickled by name, never by value."""


class Places:
    """Where marks of one kind are, which can be taken off and put on again."""

    def __init__(self) -> None:
        self.on = True
        # Weakly: classes that a program makes in a loop are not to be kept.
        self._marked: weakref.WeakKeyDictionary[type, dict[str, weakref.ref[Any]]] = weakref.WeakKeyDictionary()
        self._off: list[tuple[type, str, types.FunctionType, Function]] = []

    def add(self, cls: type, name: str, marked: Function) -> None:
        """``cls.name`` has been marked."""
        self._marked.setdefault(cls, {})[name] = weakref.ref(marked)

    def take_off(self) -> None:
        """Gives each class its own function back, unless somebody has put yet another in its place."""
        self.on = False
        for cls, methods in list(self._marked.items()):
            for name, known in methods.items():
                marked = known()
                if cls.__dict__.get(name) is marked and marked is not None:
                    function = marked.__wrapped__
                    setattr(cls, name, function)
                    self._off.append((cls, name, function, marked))

    def put_on(self) -> None:
        """The opposite."""
        self.on = True
        for cls, name, function, marked in self._off:
            if cls.__dict__.get(name) is function:
                setattr(cls, name, marked)
        self._off.clear()

    def unmarked(self) -> set[types.CodeType]:
        """The code of the functions that have lost their mark."""
        return {function.__code__ for _, _, function, _ in self._off}


_watched: list[tuple[Any, Callable[[Any], None]]] = []
"""Each class that is watched, with the function that marks a subclass of it."""


def mark_again(cls: type) -> None:
    """Marks what a class got after it was made: cloudpickle makes it empty and fills it in later."""
    for base, mark in _watched:
        if issubclass(cls, base):
            mark(cls)


def _unmarked(function: Any) -> Function | None:
    """The method to mark; None if it is abstract, no plain function, or marked already."""
    if not isinstance(function, types.FunctionType) or getattr(function, "__isabstractmethod__", False):
        return None
    if not hasattr(function, _MARK):
        return function
    around = getattr(function, _MARK)
    # One that came by value from another process has lost its mark on the way.
    return None if around is None or isinstance(around, _Around) else getattr(function, "__wrapped__", None)


def watch_class(
    base: Any,
    methods: dict[str, str],
    wrap: Callable[[Function, str, str], Function],
    skip: Callable[[type], bool] = lambda cls: False,
    places: Places | None = None,
) -> None:
    """
    Wraps ``methods`` where ``base`` and each present or later subclass defines them.

    :param base: a class of the library.
    :param methods: method name to phase.
    :param wrap: ``wrap(function, phase, name)`` gives the replacement.
    :param skip: classes to leave alone.
    :param places: where to note what has been marked.
    """

    def mark_class(cls: type) -> None:
        if skip(cls):
            return
        for name, phase in methods.items():
            function = _unmarked(cls.__dict__.get(name))
            if function is not None:
                marked = wrap(function, phase, name)
                if cls.__module__.partition(".")[0] in _LIBRARIES:
                    setattr(marked, _MARK, None)
                else:
                    marked = by_value(function, marked)
                setattr(cls, name, marked)
                if places is not None:
                    places.add(cls, name, marked)

    inherited = base.__dict__.get("__init_subclass__")

    def init_subclass(cls: type, /, **kwargs: Any) -> None:
        if inherited is not None:
            inherited.__get__(None, cls)(**kwargs)
        else:
            super(base, cls).__init_subclass__(**kwargs)
        try:
            mark_class(cls)
        except Exception as error:  # noqa: BLE001
            recorder.fault("subclass of " + base.__name__, error)

    _watched.append((base, mark_class))
    base.__init_subclass__ = classmethod(init_subclass)
    waiting = [base]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        mark_class(cls)
