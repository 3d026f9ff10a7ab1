"""
What can be known when ``learn`` begins: how environments are wrapped and evaluated, and what the process was told.

Plain facts; what they mean is said outside, in ``probes/preflight``. Only attributes are read. How long an update
will take is measured here too, but only when the environment asks for it, as ``doctor --script`` does: on a copy.
"""

from __future__ import annotations

import copy
import math
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from .attributes import attribute
from .checks.semantic import _unmarked, _Untouched
from .recorder import recorder

VARIABLE = "FREEZELAB_PREFLIGHT"
"""Environment variable: ``measure`` has one minibatch of the update timed on a copy of the policy."""
_VARIABLES = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "CUDA_VISIBLE_DEVICES")
_LIMITS = ("_max_episode_steps", "max_episode_steps")
_DEEPEST = 32
_MOST = 4
"""Different environments told of each vectorised one, and callbacks."""
_MOST_ENVS = 512


def of(model: Any, callback: Any) -> dict[str, Any]:
    """
    :param model: a stable-baselines3 algorithm whose ``learn`` begins.
    :param callback: that argument of ``learn``.
    :return: a JSON value; what can't be read is left out.
    """
    found: dict[str, Any] = {
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "at_step": getattr(model, "num_timesteps", 0),
    }
    try:
        found["cuda_build"] = getattr(getattr(sys.modules.get("torch"), "version", None), "cuda", None)
        found["fed_time_major"] = _fed_time_major(model.policy)
        rollout = getattr(model, "rollout_buffer", None)
        if rollout is not None:
            found["rollout"] = {
                "n_steps": getattr(model, "n_steps", None),
                "buffer_size": rollout.buffer_size,
                "n_envs": getattr(model, "n_envs", None),
                "library": _is_library(rollout),
            }
        found["train_env"] = _vectorised(getattr(model, "env", None))
        found["eval_envs"] = [
            {"callback": type(item).__name__, **_vectorised(item.eval_env)} for item in _evaluating(callback)
        ][:_MOST]
        if os.environ.get(VARIABLE) == "measure":
            found["update"] = _update(model)
    except Exception as error:  # noqa: BLE001
        recorder.fault("preflight", error)
    return found


def _is_library(item: object) -> bool:
    return type(item).__module__.split(".")[0] in ("stable_baselines3", "sb3_contrib")


def _fed_time_major(policy: Any) -> list[str]:
    """Recurrent modules that sb3-contrib itself feeds with (time, sequences, features)."""
    module = sys.modules.get("sb3_contrib.common.recurrent.policies")
    base = getattr(module, "RecurrentActorCriticPolicy", None)
    if base is None or not isinstance(policy, base) or type(policy)._process_sequence is not base._process_sequence:
        return []
    return [name for name in ("lstm_actor", "lstm_critic") if getattr(policy, name, None) is not None]


def _evaluating(callback: Any) -> Iterator[Any]:
    """The callbacks that have an environment to evaluate in, also those within others."""
    waiting: list[Any] = [callback]
    seen: set[int] = set()
    while waiting and len(seen) < _DEEPEST:
        item = waiting.pop(0)
        if isinstance(item, (list, tuple)):
            waiting += item
        elif item is not None and id(item) not in seen:
            seen.add(id(item))
            waiting += [
                attribute(item, name)
                for name in ("callbacks", "callback", "callback_on_new_best", "callback_after_eval")
            ]
            if attribute(item, "eval_env") is not None:
                yield item


def _vectorised(env: Any) -> dict[str, Any]:
    """Wrappers of a vectorised environment, and of the environments in it as far as they are in this process."""
    layers: list[dict[str, Any]] = []
    while (inside := attribute(env, "venv")) is not None and len(layers) < _DEEPEST:
        layers.append(_layer(env))
        env = inside
    layers.append(_layer(env))
    processes = attribute(env, "processes") or ()
    chains: list[list[dict[str, Any]]] = []
    for inner in list(attribute(env, "envs") or ())[:_MOST_ENVS]:
        chain = _chain(inner)
        if chain not in chains:
            chains.append(chain)
    return {
        "layers": layers,
        "chains": chains[:_MOST],
        "forked": [item.pid for item in processes if type(item).__name__ == "ForkProcess"][:_MOST],
    }


def _chain(env: Any) -> list[dict[str, Any]]:
    """Wrappers of one environment, outermost first, and itself."""
    chain: list[dict[str, Any]] = []
    while env is not None and len(chain) < _DEEPEST:
        chain.append(_layer(env))
        env = attribute(env, "env")
    return chain


def _layer(env: Any) -> dict[str, Any]:
    limits = [attribute(env, name) for name in _LIMITS]
    spec = attribute(env, "spec") or attribute(env, "_spec")
    limits.append(getattr(spec, "max_episode_steps", None) if spec is not None else None)
    bases = {base.__name__ for base in type(env).__mro__}
    return {
        "name": type(env).__name__,
        "limit": next((item for item in limits if isinstance(item, int) and item > 0), None),
        "ends": "TimeLimit" in bases,
        "monitor": bool(bases & {"Monitor", "VecMonitor"}),
    }


def _update(model: Any) -> dict[str, Any] | None:
    """How long one minibatch takes on a copy of the policy, and how many an update has; None where that is unknown."""
    buffer = getattr(model, "rollout_buffer", None)
    epochs = getattr(model, "n_epochs", 1)
    if buffer is None or hasattr(model, "n_critic_updates") or not hasattr(model.policy, "evaluate_actions"):
        return None
    rows = buffer.buffer_size * buffer.n_envs
    batch = min(getattr(model, "batch_size", None) or rows, rows)
    recurrent = hasattr(model.policy, "lstm_actor")
    with _Untouched():
        policy = copy.deepcopy(model.policy)
        policy.set_training_mode(True)
        # An LSTM is run step by step where an episode begins, else over a whole sequence at once.
        seconds = [_minibatch_s(model, policy, batch, starts) for starts in ((0.0, 1.0) if recurrent else (0.0,))]
    return {"minibatch_s": [min(seconds), max(seconds)], "minibatches": epochs * math.ceil(rows / batch), "rows": batch}


def _minibatch_s(model: Any, policy: Any, rows: int, starts: float) -> float:
    torch, buffer = sys.modules["torch"], model.rollout_buffer
    device, shapes = model.device, buffer.obs_shape

    def zeros(shape: Any) -> Any:
        return torch.zeros((rows, *shape), device=device)

    observations = {key: zeros(shape) for key, shape in shapes.items()} if isinstance(shapes, dict) else zeros(shapes)
    discrete = type(model.action_space).__name__ == "Discrete"
    actions = torch.zeros(rows, dtype=torch.long, device=device) if discrete else zeros((buffer.action_dim,))
    more = _sequence(policy, rows, starts, device) if hasattr(policy, "lstm_actor") else ()
    evaluate = _unmarked(type(policy).evaluate_actions)
    took = 0.0
    for _ in range(2):  # the first time is slower than those that follow
        began = time.perf_counter()
        values, log_probs, entropy = evaluate(policy, observations, actions, *more)
        loss = values.mean() - log_probs.mean() - (entropy.mean() if entropy is not None else 0.0)
        policy.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
        policy.optimizer.step()
        float(loss.detach())  # a GPU computes behind our back until somebody wants to know
        took = time.perf_counter() - began
    return took


def _sequence(policy: Any, rows: int, starts: float, device: Any) -> tuple[Any, Any]:
    """States and episode starts of a minibatch that is one sequence."""
    torch = sys.modules["torch"]
    kind = sys.modules["sb3_contrib.common.recurrent.type_aliases"].RNNStates
    lstm = policy.lstm_actor
    state = torch.zeros((lstm.num_layers, 1, lstm.hidden_size), device=device)
    begins = torch.zeros(rows, device=device)
    begins[0] = starts
    return kind((state, state), (state, state)), begins
