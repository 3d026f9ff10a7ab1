"""
How far an update is: epochs and minibatches of a rollout buffer, or gradient steps on a replay buffer.

An epoch is one pass over the rollout buffer's generator, a minibatch what it yields. Off-policy there is no such
generator: there a minibatch begins when the replay buffer is sampled, and lasts until it is sampled again with an
optimizer step in between.
"""

from __future__ import annotations

import math
import sys
import weakref
from collections.abc import Iterator
from typing import Any

from . import layout
from .census import census
from .marks import mark
from .recorder import phase_id, recorder

_TRAIN, _EPOCH, _MINIBATCH, _SAMPLE = (phase_id(name) for name in ("train", "epoch", "minibatch", "sample"))
_NUMBER, _OF = layout.MINIBATCH, layout.N_MINIBATCHES
_CENSUS_REQUEST, _CENSUS_DONE = layout.CENSUS_REQUEST, layout.CENSUS_DONE
_NUMBERS_OF_TENSOR = 20_000
_trains: Any = None
"""The model that ``train`` was called on last, weakly."""


def begins(model: Any, gradient_steps: object) -> None:
    """
    ``train`` is called.

    :param gradient_steps: its argument of that name; None where it has none, and so passes over a rollout.
    """
    global _trains
    _trains = weakref.ref(model)
    replay_steps.begin()
    words = recorder.words
    words[layout.EPOCH] = words[layout.MINIBATCH] = words[layout.N_EPOCHS] = words[layout.N_MINIBATCHES] = 0
    if gradient_steps is not None:
        recorder.gauge(layout.N_MINIBATCHES, gradient_steps)
    elif hasattr(model, "n_critic_updates"):
        # TRPO: one pass for the policy, the others for the critic.
        recorder.gauge(layout.N_EPOCHS, 1 + model.n_critic_updates)
    else:
        recorder.gauge(layout.N_EPOCHS, getattr(model, "n_epochs", 1))


def trained() -> Any:
    """The model that ``train`` was called on last; None if there is none."""
    return _trains() if _trains is not None else None


def ends() -> None:
    """``train`` has returned or failed."""
    census.stop()


def passes_over_rollout() -> bool:
    """Whether a ``get`` of now is an epoch: called by an update, and not by a ``get`` that draws on another."""
    if not recorder.owns_phases():
        return False
    phases = recorder.open_phases
    return _TRAIN in phases and _EPOCH not in phases


def epoch_begins(buffer: Any, batch_size: int | None) -> int:
    """
    :return: the epoch's number, from 1.
    """
    words = recorder.words
    words[layout.MINIBATCH] = 0
    rows = buffer.buffer_size * buffer.n_envs
    words[layout.N_MINIBATCHES] = math.ceil(rows / batch_size) if batch_size else 1
    return _next_of(layout.EPOCH, layout.N_EPOCHS)


def _next_item(items: Iterator[Any]) -> Any:
    return next(items, _NO_MORE)


_NO_MORE = object()
_sample = mark(_next_item, "sample")
_minibatches, _samples = recorder.row(_MINIBATCH), recorder.row(_SAMPLE)


def _may_rest() -> bool:
    """Whether minibatches are so short that the next need not be shown: it is counted, and so is its sample."""
    return _minibatches[0] < _minibatches[3] and not census.wanted()


def epoch(items: Iterator[Any]) -> Iterator[Any]:
    """Yields ``items`` with the phases around them; an update that stops early closes the generator."""
    token = recorder.enter(_EPOCH)
    minibatches, samples, words = _minibatches, _samples, recorder.words
    try:
        while True:
            # As _may_rest and _next_of, in place: where minibatches are short there are many.
            if minibatches[0] < minibatches[3] and words[_CENSUS_REQUEST] <= words[_CENSUS_DONE]:
                samples[0] += 1
                for item in items:
                    minibatches[0] += 1
                    words[_NUMBER] = number = words[_NUMBER] + 1
                    if number > words[_OF]:
                        words[_OF] = 0
                    yield item
                    break
                else:
                    return
                continue
            item = _sample(items)
            if item is _NO_MORE:
                return
            minibatch = _minibatch_begins(item)
            yield item
            census.stop()
            recorder.leave(minibatch)
    finally:
        census.stop()
        recorder.leave(token)


class GradientSteps:
    """Tells one gradient step of an off-policy update from the next."""

    def __init__(self) -> None:
        self._token = -1
        self._optimizer_steps = -1

    def begin(self) -> None:
        """An update begins."""
        self._optimizer_steps = -1

    def sampled(self) -> None:
        """A replay buffer is about to be sampled."""
        if recorder.top == _SAMPLE or not recorder.owns_phases():
            return
        optimizer_steps = recorder.words[layout.OPTIMIZER_STEPS]
        known, self._optimizer_steps = self._optimizer_steps, optimizer_steps
        if recorder.top != _TRAIN:
            phases = recorder.open_phases
            if _TRAIN not in phases or _EPOCH in phases:
                return
            if _MINIBATCH in phases and optimizer_steps != known:
                census.stop()
                recorder.leave(self._token)
        if optimizer_steps == known:
            return  # more data for the same step
        if recorder.top == _TRAIN and _may_rest():
            _minibatches[0] += 1
            _next_of(_NUMBER, _OF)
        else:
            self._token = _minibatch_begins()


replay_steps = GradientSteps()


def _minibatch_begins(item: Any = None) -> int:
    """
    :param item: the minibatch; None where it is not known yet.
    """
    _next_of(_NUMBER, _OF)
    token = recorder.enter(_MINIBATCH)
    if census.wanted():
        census.start({"used_share": _used_share(item), "subnormal_share": _subnormal_share()})
    return token


def _used_share(item: Any) -> float | None:
    """The share of a minibatch's rows that are data, in one whose sequences are padded; None in others."""
    mask = getattr(item, "mask", None)
    try:
        return float(mask.float().mean()) if mask is not None else None
    except Exception as error:  # noqa: BLE001
        recorder.fault("mask", error)
        return None


def _subnormal_share() -> float | None:
    """The share of subnormal numbers among weights, gradients and the optimizer's moments; None if unknown."""
    model = trained()
    torch = sys.modules.get("torch")
    if model is None or torch is None:
        return None
    try:
        tiny, found, seen = torch.finfo(torch.float32).tiny, 0, 0
        state = model.policy.optimizer.state if hasattr(model.policy, "optimizer") else {}
        with torch.no_grad():
            for weight in model.policy.parameters():
                moments = [value for value in state.get(weight, {}).values() if torch.is_tensor(value)]
                for tensor in (weight, weight.grad, *moments):
                    if tensor is None or tensor.dtype != torch.float32 or tensor.device.type != "cpu":
                        continue
                    flat = tensor.detach().reshape(-1)
                    sizes = flat[:: max(1, len(flat) // _NUMBERS_OF_TENSOR)].abs()
                    # Bits, not values: where subnormals are flushed a comparison sees zeros.
                    bits = sizes.view(torch.int32)
                    found += int(((bits > 0) & (sizes < tiny)).sum())
                    seen += len(sizes)
    except Exception as error:  # noqa: BLE001
        recorder.fault("subnormals", error)
        return None
    return found / seen if seen else None


def _next_of(gauge: int, of: int) -> int:
    """One more; where that is more than there should be, their number is unknown."""
    words = recorder.words
    number = words[gauge] + 1
    words[gauge] = number
    if number > words[of]:
        words[of] = 0
    return number
