"""
How a phase is marked: a function or method is replaced by one that opens and closes the phase around it.

Whatever goes wrong on our side is recorded and swallowed; whatever the wrapped function raises goes on unchanged.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

from . import layout
from .learner import learner
from .recorder import COARSE, phase_id, recorder

Function = Callable[..., Any]
_clock = time.monotonic_ns

is_compiling: Callable[[], bool] = bool
"""Whether torch.compile or torch.export looks through the code that is running; torch's own once it is imported."""

_AT_REST, _STEP = layout.AT_REST, layout.STEP
_NOTHING = object()
_TOLD_AT_REST = frozenset(phase_id(name) for name in layout.TOLD_AT_REST)

_Before = Callable[[tuple[Any, ...], dict[str, Any]], None]
_After = Callable[[Any, tuple[Any, ...], dict[str, Any]], None]


def mark(
    function: Function,
    phase: str,
    before: _Before | None = None,
    after: _After | None = None,
    *,
    instead: Mapping[str, Function] | None = None,
    compiled: bool = False,
    looks: bool = False,
) -> Function:
    """
    ``function`` with a phase around it; a phase inside the same phase is one phase.

    :param before: called with the positional and the keyword arguments.
    :param after: called with what was returned, the positional and the keyword arguments.
    :param instead: what to call directly inside other phases; only for a phase that comes at every step.
    :param compiled: torch.compile may come through: it is to find ``function`` there and nothing of ours; only for
        such a phase too.
    :param looks: ``after`` need not be called each time that the mark is at rest, only while ``recorder.attentive``.
    """
    number = phase_id(phase)
    if number in COARSE:
        return _around_whole(function, number, before, after)
    elsewhere = {phase_id(name): other for name, other in instead.items()} if instead else None
    marked = _around_short(function, number, before, after, elsewhere, compiled=compiled, looks=looks)
    lean = number in _TOLD_AT_REST and (after is None or looks) and before in (None, learner.tell_step)
    if lean and _needs_an_argument(function):
        return _around_steps(function, number, marked, tells_step=before is not None)
    return marked


def _needs_an_argument(function: Function) -> bool:
    """Whether it can't be called without one, as each method but those of no fixed signature."""
    code = getattr(function, "__code__", None)
    return code is not None and code.co_argcount > len(getattr(function, "__defaults__", None) or ())


def _around_whole(function: Function, number: int, before: _Before | None, after: _After | None) -> Function:
    """For a phase that goes into the ring."""

    @functools.wraps(function)
    def marked(*args: Any, **kwargs: Any) -> Any:
        if recorder.top == number:
            return function(*args, **kwargs)
        token = recorder.enter(number)
        try:
            if before is not None:
                _safely(before, function, args, kwargs)
            result = function(*args, **kwargs)
            if after is not None:
                _safely(after, function, result, args, kwargs)
            return result
        except BaseException as error:
            note_failure(error)
            raise
        finally:
            recorder.leave(token)

    return marked


def _safely(hook: Callable[..., None], function: Function, *args: Any) -> None:
    try:
        hook(*args)
    except Exception as error:  # noqa: BLE001
        recorder.fault(function.__qualname__, error)


def _around_short(
    function: Function,
    number: int,
    before: _Before | None,
    after: _After | None,
    elsewhere: Mapping[int, Function] | None,
    *,
    compiled: bool,
    looks: bool,
) -> Function:
    """
    For a phase that comes at every step.

    Between two calls of this, other code has driven it out of the caches: all that it touches costs several times
    what it would cost in a loop. So while the phase is short and comes often the mark is at rest: it keeps to memory
    of ours, in one tuple instead of a dozen cells, and only what is due is shown.

    :param elsewhere: phase to what is called directly inside it.
    """
    shown = _shown(function, number, before, after)
    tells = (number + 1) << 8 if number in _TOLD_AT_REST else 0
    column = layout.PHASE_TABLE + layout.PHASE_COLUMNS * number
    parts = (recorder, number, recorder.row(number), elsewhere, before, after, looks, shown, tells, column)

    @functools.wraps(function)
    def marked(*args: Any, **kwargs: Any) -> Any:
        # First: what the compiler saw of ours it would have to watch.
        if compiled and is_compiling():
            return function(*args, **kwargs)
        own, number, row, elsewhere, before, after, looks, shown, tells, column = parts
        outer = own.top
        if outer == number:
            return function(*args, **kwargs) if kwargs else function(*args)
        if elsewhere is not None and outer in elsewhere:
            return elsewhere[outer](*args, **kwargs)
        if row[0] >= row[3] or (own.place >= own.limit and not own.may_rest()):
            return shown(*args, **kwargs)
        place = own.place
        if tells:
            if own.at_rest:
                own.show()
                place = own.place
            words = own.words
            words[_AT_REST] = own.at_rest = tells + place
            words[column] = row[0] + 1
        # No call from here into what takes it back: after one, Ctrl-C may come.
        row[0] += 1
        own.top = number
        try:
            if before is not None:
                try:
                    before(args, kwargs)
                except Exception as error:  # noqa: BLE001
                    own.fault(function.__qualname__, error)
            result = function(*args, **kwargs) if kwargs else function(*args)
            if after is not None and (own.attentive or not looks):
                try:
                    after(result, args, kwargs)
                except Exception as error:  # noqa: BLE001
                    own.fault(function.__qualname__, error)
        except BaseException as error:
            note_failure(error, outer)
            own.top = outer
            if tells:
                own.words[_AT_REST] = own.at_rest = 0
                if own.place != place:
                    own.close(place)
            raise
        own.top = outer
        if tells:
            own.words[_AT_REST] = own.at_rest = 0
            if own.place != place:
                own.close(place)
        return result

    return marked


def _around_steps(function: Function, number: int, usual: Function, *, tells_step: bool) -> Function:
    """
    For the user's code at every step, which is called with one argument or two.

    What ``usual`` does in such a call where nothing is due, and no more: half of its cost. In the worker of a
    vectorised environment, between two changes of process, each bytecode here takes some 20 ns.

    :param tells_step: whether ``usual`` tells the step count first.
    """
    own, row, column = recorder, recorder.row(number), layout.PHASE_TABLE + layout.PHASE_COLUMNS * number
    tells, at_rest, nothing = (number + 1) << 8, _AT_REST, _NOTHING

    @functools.wraps(function)
    def marked(first: Any, second: Any = nothing, /, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            return usual(*((first,) if second is nothing else (first, second)), *args, **kwargs)
        outer = own.top
        if outer == number:
            return function(first) if second is nothing else function(first, second)
        place, count = own.place, row[0]
        if own.at_rest or own.attentive or count >= row[3] or (place >= own.limit and not own.may_rest()):
            return usual(first) if second is nothing else usual(first, second)
        words = own.words
        if tells_step:
            try:
                model = learner.model
                if model is not None:
                    words[_STEP] = own.step_seen = model.num_timesteps
            except Exception as error:  # noqa: BLE001
                own.fault(function.__qualname__, error)
        words[column] = row[0] = count + 1
        words[at_rest] = own.at_rest = tells + place
        # No call from here into what takes it back: after one, Ctrl-C may come.
        own.top = number
        try:
            result = function(first) if second is nothing else function(first, second)
        except BaseException as error:
            note_failure(error, outer)
            own.top = outer
            if own.at_rest:
                own.words[at_rest] = own.at_rest = 0
            else:
                own.close(place)
            raise
        own.top = outer
        if own.at_rest:
            own.words[at_rest] = own.at_rest = 0
        else:
            # Something inside had it shown, or left a phase open.
            own.close(place)
        return result

    return marked


def _shown(function: Function, number: int, before: _Before | None, after: _After | None) -> Function:
    """``function`` with its phase told in the file, and timed."""
    own, row, column = recorder, recorder.row(number), layout.PHASE_TABLE + layout.PHASE_COLUMNS * number

    def marked(*args: Any, **kwargs: Any) -> Any:
        place, outer, since = own.place, own.top, _clock()
        shown = place < own.limit or own.admits(since)
        if shown:
            words = own.words
            words[place + 1] = since
            words[place] = number + 1
            own.place = place + 2
            own.top = number
        try:
            if before is not None:
                _safely(before, function, args, kwargs)
            result = function(*args, **kwargs)
            if after is not None:
                _safely(after, function, result, args, kwargs)
        except BaseException as error:
            note_failure(error)
            if shown:
                own.close(place)
            raise
        # No call from here to where the phase is closed: after one, Ctrl-C may come.
        if shown:
            if own.place == place + 2:
                words = own.words
                words[place] = 0
                own.place = place
                own.top = outer
                words[column] = row[0] = row[0] + 1
                own.timed(number, since)
            else:
                # Something inside was left open; the child of a fork has none of its parent's phases.
                own.close(place)
        return result

    return marked


class Failure:
    """
    The error that is on its way through the phases, and where it started.

    Known by its address, never held: an error keeps its traceback alive, and that all the tensors in its frames.
    """

    address = 0
    depth = 0
    next_phase: int | None = None
    """From a mark at rest: the phase that it comes to next, which may be at rest too and look as deep."""
    phases: tuple[int, ...] = ()
    step = -1


def note_failure(error: BaseException, next_phase: int | None = None) -> None:
    """
    Remembers the innermost phases an error passed through: when it reaches the top they are closed.

    :param next_phase: the phase around this one, if the mark is at rest.
    """
    depth = recorder.place if next_phase is None else recorder.place + 2
    # On its way out an error only gets shallower: what is as deep again is a new one at the old one's address.
    known = Failure.address == id(error) and (
        depth < Failure.depth or (depth == Failure.depth and recorder.top == Failure.next_phase)
    )
    if not known:
        Failure.address = id(error)
        Failure.phases = tuple(recorder.open_phases)
        Failure.step = recorder.words[2]
    Failure.depth, Failure.next_phase = depth, next_phase
