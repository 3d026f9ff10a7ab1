"""stable-baselines3 and sb3-contrib: rollouts, updates, callbacks, evaluation, saving."""

from __future__ import annotations

import functools
from typing import Any

from .. import checks, facts, layout, preflight, updates
from ..checks.arrays import is_library
from ..learner import learner
from ..marks import Function, mark
from ..recorder import phase_id, recorder
from ..samples import passes
from ..watched import watch_class
from ..worker import as_worker, number_of, numbering

_LEARN = phase_id("learn")
_OF_LEARN = (
    layout.TOTAL_STEPS, layout.N_STEPS, layout.EPOCH, layout.N_EPOCHS, layout.MINIBATCH, layout.N_MINIBATCHES,
)  # fmt: skip
"""Gauges that belong to the model that learns."""
_PASSES = (
    "forward", "predict", "evaluate_actions", "get_distribution", "predict_values", "action_log_prob", "q1_forward",
)  # fmt: skip
"""Passes through a network, actor's or critic's."""


def _patch_algorithm(module: Any) -> None:
    def wrap(function: Function, phase: str, name: str) -> Function:
        if name == "learn":
            return _learn(function)
        if name == "train":
            return _train(function)
        return mark(function, phase, _before_collect if name == "collect_rollouts" else None)

    methods = {
        "learn": "learn",
        "train": "train",
        "collect_rollouts": "collect",
        # ARS: its rollouts are the episodes that it tries its candidates on.
        "evaluate_candidates": "collect",
        "save": "save",
        "save_replay_buffer": "save",
    }
    watch_class(module.BaseAlgorithm, methods, wrap)


def _learn(function: Function) -> Function:
    """One ``learn`` inside another, as in a callback, shows its own figures, then gives the outer one's back."""
    marked = mark(_last_look(function), "learn", _before_learn)

    @functools.wraps(function)
    def learn(*args: Any, **kwargs: Any) -> Any:
        outer = learner.model
        if _LEARN not in recorder.open_phases or recorder.top == _LEARN or not recorder.owns_phases():
            try:
                return marked(*args, **kwargs)
            finally:
                if args and learner.model is args[0]:
                    learner.model = outer
        step, known = recorder.words[layout.STEP], facts.last
        gauges = {word: recorder.words[word] for word in _OF_LEARN}
        try:
            return marked(*args, **kwargs)
        finally:
            learner.model = outer
            for word, value in gauges.items():
                recorder.words[word] = value
            recorder.step(step)
            facts.tell(known)

    return learn


def _argument(number: int, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An argument of a method by its place, ``self`` being 0, or its name; None if it was not given."""
    return kwargs.get(name, args[number] if len(args) > number else None)


def _before_learn(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    model, total_timesteps = args[0], _argument(1, "total_timesteps", args, kwargs)
    if recorder.owns_phases():
        learner.model = model
        recorder.gauge(layout.TOTAL_STEPS, total_timesteps)
        # Off-policy algorithms have an n_steps too: that of their returns.
        recorder.gauge(layout.N_STEPS, getattr(model, "n_steps", 0) if hasattr(model, "rollout_buffer") else 0)
        known = preflight.of(model, _argument(2, "callback", args, kwargs))
        facts.tell({**facts.of_model(model, total_timesteps), "preflight": known})
    checks.learn_begins(model)


def _last_look(function: Function) -> Function:
    """``learn`` with a last look at the training data, also when an error ends it: they may have led to it."""

    @functools.wraps(function)
    def learn(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        finally:
            checks.learn_ends()

    return learn


def _before_collect(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if recorder.owns_phases():
        passes.may_begin()
    checks.collect_begins(args[0])


def _train(function: Function) -> Function:
    marked = mark(function, "train", _before_train)

    @functools.wraps(function)
    def train(*args: Any, **kwargs: Any) -> Any:
        try:
            return marked(*args, **kwargs)
        finally:
            updates.ends()

    return train


def _before_train(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    learner.tell_step()
    if recorder.owns_phases():
        updates.begins(args[0], _argument(1, "gradient_steps", args, kwargs))
    checks.train_begins(args[0])


def _patch_buffers(module: Any) -> None:
    def wrap(function: Function, phase: str, name: str) -> Function:
        if name in own:
            return own[name](function)
        return mark(function, phase, before.get(name), after.get(name))

    own = {"get": _get, "reset": _reset, "sample": _sample}
    before = {"compute_returns_and_advantage": _before_advantages}
    after = {"compute_returns_and_advantage": _after_advantages, "add": checks.added} if checks.ON else {}
    methods = {
        "reset": "buffer.add",
        "compute_returns_and_advantage": "advantage",
        "get": "epoch",
        "sample": "sample",
    }
    add = {"add": "buffer.add"}
    watch_class(module.BaseBuffer, methods, wrap)
    watch_class(module.BaseBuffer, add, wrap, skip=_only_stores)
    if checks.ON:
        watch_class(module.BaseBuffer, add, _looked_at, skip=lambda cls: not _only_stores(cls))


def _only_stores(cls: type) -> bool:
    """Whether ``add`` of a buffer copies a row into memory and no more: of that a phase would tell nothing."""
    return hasattr(cls, "compute_returns_and_advantage") and is_library(cls)


def _looked_at(function: Function, phase: str, name: str) -> Function:
    """A buffer's ``add``, without its phase."""

    @functools.wraps(function)
    def add(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if recorder.attentive:
            checks.stored(args, kwargs)
        return result

    return add


def _before_advantages(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    learner.tell_step()
    checks.filled(args[0])


def _after_advantages(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    checks.advantages_computed(args[0])


def _reset(function: Function) -> Function:
    """A buffer's ``reset``: no phase, but the last look at what it held."""

    @functools.wraps(function)
    def reset(*args: Any, **kwargs: Any) -> Any:
        if args:
            checks.reset_begins(args[0])
        return function(*args, **kwargs)

    return reset


def _sample(function: Function) -> Function:
    """A buffer's ``sample``; of a replay buffer, it may begin a gradient step."""
    marked = mark(function, "sample", _before_sample)

    @functools.wraps(function)
    def sample(*args: Any, **kwargs: Any) -> Any:
        try:
            if args and _is_replay(args[0]):
                updates.replay_steps.sampled()
        except Exception as error:  # noqa: BLE001
            recorder.fault("sample", error)
        return marked(*args, **kwargs)

    return sample


def _before_sample(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if _is_replay(args[0]):
        checks.sampled(args[0])


def _is_replay(buffer: Any) -> bool:
    return not hasattr(buffer, "compute_returns_and_advantage")


def _get(function: Function) -> Function:
    """``RolloutBuffer.get``: each call is an epoch, each item it yields a minibatch."""

    @functools.wraps(function)
    def get(*args: Any, **kwargs: Any) -> Any:
        items = function(*args, **kwargs)
        try:
            if not updates.passes_over_rollout():
                return items
            number = updates.epoch_begins(args[0], kwargs.get("batch_size", args[1] if len(args) > 1 else None))
            checks.epoch_begins(args[0], number)
        except Exception as error:  # noqa: BLE001
            recorder.fault("epoch", error)
        return updates.epoch(items)

    return get


def _patch_callbacks(module: Any) -> None:
    def wrap(function: Function, phase: str, name: str) -> Function:
        marked = mark(function, phase, _before_training if name == "on_training_start" else learner.tell_step)
        return _rollout_end(marked) if name == "on_rollout_end" else marked

    methods = dict.fromkeys(
        ("on_step", "on_rollout_start", "on_rollout_end", "on_training_start", "on_training_end"), "callback"
    )
    on_step = module.BaseCallback.on_step
    watch_class(module.BaseCallback, methods, wrap)
    # This one stands for "no callback", or for a function in place of one: only the function is of interest.
    module.ConvertCallback.on_step = on_step
    module.ConvertCallback.__init__ = _of_function(module.ConvertCallback.__init__)


def _of_function(function: Function) -> Function:
    """``ConvertCallback.__init__`` with a mark around the user's function."""

    @functools.wraps(function)
    def init(self: Any, callback: Any, *args: Any, **kwargs: Any) -> None:
        if callable(callback):
            callback = mark(callback, "callback", learner.tell_step)
        function(self, callback, *args, **kwargs)

    return init


def _before_training(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    learner.tell_step()
    # With reset_num_timesteps=False what was learnt before counts too.
    if recorder.owns_phases():
        recorder.gauge(layout.TOTAL_STEPS, getattr(args[0].model, "_total_timesteps", None))


def _rollout_end(function: Function) -> Function:
    """A callback's ``on_rollout_end``: whoever is inside another is looked at too."""

    @functools.wraps(function)
    def on_rollout_end(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if args:
            checks.rollout_ended(args[0])
        return result

    return on_rollout_end


def _patch_policies(module: Any) -> None:
    def wrap(function: Function, phase: str, name: str) -> Function:
        return mark(function, phase) if name == "save" else _of_model(function)

    watch_class(module.BaseModel, {"save": "save"}, wrap)
    watch_class(module.BaseModel, dict.fromkeys(_PASSES, "policy"), wrap, places=passes.places)


def _of_model(function: Function) -> Function:
    """A pass through a network: ``forward`` in an update, else ``policy``."""
    forward = mark(function, "forward")
    instead = {"forward": function, **dict.fromkeys(("train", "epoch", "minibatch"), forward)}
    return mark(function, "policy", instead=instead, compiled=True)


def _patch_vec_env(module: Any) -> None:
    after = {"step_wait": checks.env_stepped, "reset": checks.env_reset} if checks.ON else {}

    def wrap(function: Function, phase: str, name: str) -> Function:
        before = learner.tell_step if name == "step_wait" else None
        return mark(function, phase, before, after.get(name), looks=name == "step_wait")

    # A wrapper passes the call on to the environment inside, within the same phase.
    methods = {"step_wait": "env.step", "reset": "env.reset", "save": "save"}
    watch_class(module.VecEnv, methods, wrap)


def _patch_processes(class_name: str) -> Function:
    """For a module that has a class that starts ``_worker`` in processes."""

    def patch(module: Any) -> None:
        cls = getattr(module, class_name)
        cls.__init__ = numbering(cls.__init__)
        module._worker = as_worker(module._worker, lambda args: number_of(args[2].var))

    return patch


def _patch_evaluation(module: Any) -> None:
    module.evaluate_policy = mark(module.evaluate_policy, "eval")


PATCHES = {
    "sb3_contrib.common.maskable.evaluation": _patch_evaluation,
    "sb3_contrib.common.vec_env.async_eval": _patch_processes("AsyncEval"),
    "stable_baselines3.common.base_class": _patch_algorithm,
    "stable_baselines3.common.buffers": _patch_buffers,
    "stable_baselines3.common.callbacks": _patch_callbacks,
    "stable_baselines3.common.evaluation": _patch_evaluation,
    "stable_baselines3.common.policies": _patch_policies,
    "stable_baselines3.common.vec_env.base_vec_env": _patch_vec_env,
    "stable_baselines3.common.vec_env.subproc_vec_env": _patch_processes("SubprocVecEnv"),
}
