"""stable-baselines3 and sb3-contrib: rollouts, updates, callbacks, evaluation, saving."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from .. import facts, layout
from ..census import census
from ..marks import Mark, note_failure, watch_class
from ..recorder import phase_id, recorder

Function = Callable[..., Any]
_EPOCH, _MINIBATCH, _SAMPLE = phase_id("epoch"), phase_id("minibatch"), phase_id("sample")
_TRAIN = phase_id("train")


def _before_learn(model: Any, total_timesteps: object = None, *args: Any, **kwargs: Any) -> None:
    recorder.gauge(layout.TOTAL_STEPS, total_timesteps)
    recorder.gauge(layout.N_STEPS, getattr(model, "n_steps", None))
    recorder.text("facts", facts.of_model(model, total_timesteps))


def _before_train(model: Any, *args: Any, **kwargs: Any) -> None:
    gradient_steps = kwargs.get("gradient_steps", args[0] if args else None)
    recorder.gauge(layout.EPOCH, 0)
    recorder.gauge(layout.MINIBATCH, 0)
    recorder.gauge(layout.N_EPOCHS, getattr(model, "n_epochs", 1))
    recorder.gauge(layout.N_MINIBATCHES, gradient_steps if gradient_steps is not None else 0)


def _before_callback(callback: Any, *args: Any, **kwargs: Any) -> None:
    model = callback.model
    if model is not None:
        recorder.step(model.num_timesteps)


def _patch_algorithm(module: Any) -> None:
    before = {"learn": _before_learn, "train": _before_train}

    def wrap(function: Function, phase: str, name: str) -> Mark:
        return Mark(function, phase, before.get(name))

    methods = {"learn": "learn", "train": "train", "collect_rollouts": "collect", "save": "save"}
    watch_class(module.BaseAlgorithm, methods, wrap)


def _patch_buffers(module: Any) -> None:
    def wrap(function: Function, phase: str, name: str) -> Mark:
        if name == "get":
            return _Epochs(function)
        if name == "sample":
            return Mark(function, phase, _before_sample)
        return Mark(function, phase)

    methods = {
        "add": "buffer.add",
        "compute_returns_and_advantage": "advantage",
        "get": "epoch",
        "sample": "sample",
    }
    watch_class(module.BaseBuffer, methods, wrap)


def _before_sample(buffer: Any, *args: Any, **kwargs: Any) -> None:
    # A replay buffer: each sample is the minibatch of one gradient step.
    if not hasattr(buffer, "compute_returns_and_advantage"):
        recorder.words[layout.MINIBATCH] += 1


class _Epochs(Mark):
    """Stands in for ``RolloutBuffer.get``: each call is an epoch, each item it yields a minibatch."""

    def __init__(self, function: Function) -> None:
        super().__init__(function, "epoch")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        items: Iterator[Any] = self._function(*args, **kwargs)
        open_phases = [phase for phase, _ in recorder.stack]
        # An epoch already open: a subclass's ``get`` that draws on its parent's.
        if _TRAIN not in open_phases or _EPOCH in open_phases:
            return items
        try:
            buffer = args[0]
            batch_size = kwargs.get("batch_size", args[1] if len(args) > 1 else None)
            recorder.words[layout.EPOCH] += 1
            recorder.words[layout.MINIBATCH] = 0
            rows = buffer.buffer_size * buffer.n_envs
            recorder.gauge(layout.N_MINIBATCHES, math.ceil(rows / batch_size) if batch_size else 1)
        except Exception as error:  # noqa: BLE001
            recorder.fault("epoch", error)
        return _minibatches(items)


def _minibatches(items: Iterator[Any]) -> Iterator[Any]:
    """Yields ``items`` with the phases around them; an update that stops early closes the generator."""
    epoch = recorder.enter(_EPOCH)
    minibatch = -1
    try:
        while True:
            sample = recorder.enter(_SAMPLE)
            try:
                item = next(items)
            except StopIteration:
                return
            except BaseException as error:
                note_failure(error)
                raise
            finally:
                recorder.leave(sample)
            recorder.words[layout.MINIBATCH] += 1
            minibatch = recorder.enter(_MINIBATCH)
            if census.wanted():
                census.start()
            yield item
            census.stop()
            recorder.leave(minibatch)
    finally:
        census.stop()
        recorder.leave(epoch)


def _patch_callbacks(module: Any) -> None:
    def wrap(function: Function, phase: str, name: str) -> Mark:
        return Mark(function, phase, _before_callback if name == "on_step" else None)

    methods = dict.fromkeys(
        ("on_step", "on_rollout_start", "on_rollout_end", "on_training_start", "on_training_end"), "callback"
    )
    watch_class(module.BaseCallback, methods, wrap)


def _patch_policies(module: Any) -> None:
    def wrap(function: Function, phase: str, name: str) -> Mark:
        return Mark(function, phase)

    watch_class(module.BasePolicy, {"forward": "policy", "predict": "policy", "evaluate_actions": "forward"}, wrap)


def _patch_vec_env(module: Any) -> None:
    def wrap(function: Function, phase: str, name: str) -> Mark:
        return Mark(function, phase)

    watch_class(module.VecEnv, {"step": "env.step", "reset": "env.reset"}, wrap)
    # A wrapper passes the call on to the environment inside, which has its own mark.


def _patch_evaluation(module: Any) -> None:
    module.evaluate_policy = Mark(module.evaluate_policy, "eval")


PATCHES = {
    "stable_baselines3.common.base_class": _patch_algorithm,
    "stable_baselines3.common.buffers": _patch_buffers,
    "stable_baselines3.common.callbacks": _patch_callbacks,
    "stable_baselines3.common.evaluation": _patch_evaluation,
    "stable_baselines3.common.policies": _patch_policies,
    "stable_baselines3.common.vec_env.base_vec_env": _patch_vec_env,
}
