"""
Checks of the training data itself: does a buffer still hold what was written into it?

==================  ===========================================================================
module              it asks
==================  ===========================================================================
``rollouts``        did a block of a rollout buffer change with no writer of its own? NaN, Inf?
``replay``          the same of a replay buffer, a few blocks at a time
``aliasing``        does an environment write into an observation that it has handed out?
``semantic``        does the policy, asked again, give the stored log-probabilities and values?
==================  ===========================================================================

What is found goes to ``findings``. The numpy and torch used are the program's own, looked up once they are
imported. Each check has an ``Account``: it costs no more than its share of the run, and skips what it can't
afford. In doubt all of them stay silent.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from .. import giver, layout
from ..recorder import phase_id, recorder
from .aliasing import Aliasing
from .replay import Replays
from .rollouts import Rollouts
from .semantic import Semantic

_chosen = os.environ.get(layout.CHECKSUMS_VARIABLE, "epoch")
MODE = _chosen if _chosen in ("off", "rollout", "epoch") else "epoch"
ON = MODE != "off"

of_rollouts = Rollouts(epochs=MODE == "epoch")
of_replays = Replays()
of_aliasing = Aliasing()
of_semantics = Semantic()
_env_steps = recorder.row(phase_id("env.step"))


def guarded(check: Callable[..., None]) -> Callable[..., None]:
    """``check``, which does nothing when switched off and whose own errors never reach the training."""

    @functools.wraps(check)
    def safe(*args: Any, **kwargs: Any) -> None:
        try:
            check(*args, **kwargs)
        except Exception as error:  # noqa: BLE001
            recorder.fault(check.__name__, error)

    return safe if ON else _nothing


def _nothing(*_: Any) -> None:
    """A check that is switched off."""


@guarded
def learn_begins(model: Any) -> None:
    """Before ``learn``: replay buffers may have been loaded, cut off or written to by hand since the last one."""
    of_replays.forget()
    giver.learn_begins(model)


@guarded
def learn_ends() -> None:
    """After ``learn``: the last moment at which rollouts are looked at."""
    of_rollouts.learn_ends()


@guarded
def collect_begins(model: Any) -> None:
    """Before ``collect_rollouts``."""
    of_semantics.collect_begins(model)


@guarded
def train_begins(model: Any) -> None:
    """Before ``train``, and so before the first optimizer step of an update."""
    of_rollouts.train_begins(model)
    of_semantics.train_begins(model)


def added(result: None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """After the ``add`` of a buffer; called through a mark, which guards it."""
    key = id(args[0])
    of_replays.adds[key] = of_replays.adds.get(key, 0) + 1
    if recorder.attentive:
        stored(args, kwargs)


@guarded
def stored(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """After the ``add`` of any buffer, with its arguments, while ``recorder.attentive``."""
    of_aliasing.added(args[0], kwargs.get("obs", args[1] if len(args) > 1 else None))


@guarded
def filled(buffer: Any) -> None:
    """Before ``compute_returns_and_advantage``: the rollout is complete."""
    of_rollouts.filled(buffer)


@guarded
def advantages_computed(buffer: Any) -> None:
    """After ``compute_returns_and_advantage``."""
    of_rollouts.advantages_computed(buffer)


@guarded
def rollout_ended(callback: Any) -> None:
    """After a callback's ``on_rollout_end``."""
    of_rollouts.callback_ended(callback)


@guarded
def epoch_begins(buffer: Any, number: int) -> None:
    """Before the ``get`` of epoch ``number``, counted from 1."""
    of_rollouts.epoch_begins(buffer, number)


@guarded
def reset_begins(buffer: Any) -> None:
    """Before the ``reset`` of any buffer."""
    of_rollouts.reset_begins(buffer)


@guarded
def sampled(buffer: Any) -> None:
    """Before the ``sample`` of a replay buffer."""
    of_replays.sampled(buffer)


def env_stepped(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """After the ``step`` of a vectorised environment; called through a mark, which guards it."""
    steps = _env_steps[0]
    if recorder.attentive or steps >= of_aliasing.next_look:
        of_aliasing.stepped(args[0], result, steps)


def env_reset(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """After the ``reset`` of a vectorised environment; called through a mark, which guards it."""
    of_aliasing.was_reset(args[0], result)
