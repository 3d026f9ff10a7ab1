"""Checkpoints that stable-baselines3 made by training for real, and forgeries of them, for the tests and the bench."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from sb3_contrib import ARS, QRDQN, TQC, TRPO, CrossQ, MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.utils import LinearSchedule

STEPS = 192
ROLLOUT: dict[str, Any] = {"n_steps": 32}
PPO_LIKE: dict[str, Any] = {**ROLLOUT, "batch_size": 16, "n_epochs": 2}
REPLAY: dict[str, Any] = {"learning_starts": 40, "buffer_size": 500, "batch_size": 16}


class Market(gymnasium.Env[Any, Any]):  # type: ignore[misc]
    """Episodes of 7 to 12 steps; every number is drawn."""

    observation_space = gymnasium.spaces.Box(-9, 9, (3,), np.float32)

    def __init__(self, discrete: bool) -> None:
        self.discrete = discrete
        self.action_space = gymnasium.spaces.Discrete(3) if discrete else gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(7, 13))
        return self._observe(), {}

    def step(self, action: Any) -> Any:
        self.left -= 1
        return self._observe(), float(self.np_random.normal()), self.left == 0, False, {}

    def action_masks(self) -> Any:
        return np.ones(3, bool)

    def _observe(self) -> Any:
        return self.np_random.normal(size=3).astype(np.float32)


@dataclass(frozen=True)
class Kind:
    """An algorithm as it is made here."""

    algorithm: Any
    settings: dict[str, Any]
    discrete: bool
    policy: str = "MlpPolicy"
    policy_kwargs: Callable[[], dict[str, Any]] = lambda: {"net_arch": [8]}

    @property
    def name(self) -> str:
        return str(self.algorithm.__name__)

    @property
    def learns_from_rollouts(self) -> bool:
        return "n_steps" in self.settings

    def model(self, *, seed: int = 0, n_envs: int = 1, **settings: Any) -> Any:
        """A new model."""
        env = make_vec_env(Market, n_envs=n_envs, seed=seed, env_kwargs={"discrete": self.discrete})
        kwargs = {**self.policy_kwargs(), **settings.pop("policy_kwargs", {})}
        return self.algorithm(
            self.policy, env, seed=seed, device="cpu", policy_kwargs=kwargs, **{**self.settings, **settings}
        )


KINDS = (
    Kind(PPO, PPO_LIKE, discrete=False),
    Kind(
        RecurrentPPO,
        PPO_LIKE,
        True,
        "MlpLstmPolicy",
        lambda: {"net_arch": [8], "lstm_hidden_size": 4},
    ),
    Kind(MaskablePPO, PPO_LIKE, True),
    Kind(A2C, {"n_steps": 5}, True),
    Kind(TRPO, {**ROLLOUT, "batch_size": 16, "n_critic_updates": 3, "cg_max_steps": 3}, False),
    Kind(DQN, {**REPLAY, "train_freq": 2}, True),
    Kind(QRDQN, {**REPLAY, "train_freq": 3}, True, policy_kwargs=lambda: {"net_arch": [8], "n_quantiles": 5}),
    Kind(SAC, REPLAY, False),
    Kind(TD3, {**REPLAY, "policy_delay": 3}, False),
    Kind(DDPG, REPLAY, False),
    Kind(TQC, REPLAY, False),
    Kind(CrossQ, {**REPLAY, "policy_delay": 3}, False),
    Kind(ARS, {"n_delta": 2}, False, "LinearPolicy", dict),
)


class SaveAt(BaseCallback):  # type: ignore[misc]
    """Saves in the middle of training, as ``CheckpointCallback`` does, and may stop it there."""

    def __init__(self, step: int, path: Path, *, stop: bool = False) -> None:
        super().__init__()
        self.step, self.path, self.stop = step, path, stop

    def _on_step(self) -> bool:
        if self.num_timesteps == self.step:
            self.model.save(self.path)
            return not self.stop
        return True


@dataclass(frozen=True)
class Made:
    """One checkpoint, and what is right to say of it."""

    name: str
    path: Path
    against: Path | None
    right: tuple[str, ...]
    false: bool = False
    """Whether it is a forgery."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """One thread of torch, and none of the libraries' warnings."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            torch.set_num_threads(threads)


TRAINED = ("trained",)
ADAPTED = ("trained", "optimizer-reset")
FALSE = ("counter-edited", "weights-replaced", "inconsistent")


def honest(kind: Kind, folder: Path, *, few: bool = False) -> Iterator[Made]:
    """
    Checkpoints that are what they claim to be.

    :param few: only the plain one, one that went on, adapted ones and those that were only loaded.
    """
    with quiet():
        yield from _honest(kind, folder, few)


def _honest(kind: Kind, folder: Path, few: bool) -> Iterator[Made]:
    def saved(model: Any, what: str, right: tuple[str, ...] = TRAINED, against: Path | None = None) -> Made:
        path = folder / f"{kind.name}-{what}.zip"
        model.save(path)
        return Made(f"{kind.name} {what}", path, against, right)

    base = kind.model().learn(STEPS)
    first = saved(base, "plain")
    yield first
    yield Made(f"{kind.name} plain against itself", first.path, first.path, TRAINED)
    yield saved(kind.algorithm.load(first.path, env=base.env).learn(100, reset_num_timesteps=False), "continued")
    continued = folder / f"{kind.name}-continued.zip"
    yield Made(f"{kind.name} continued against its base", continued, first.path, TRAINED)
    yield from _adapted(kind, base, first.path, saved)
    if kind.algorithm is not ARS:  # has no optimiser that would count
        yield from _loaded_with_others(kind, first.path, saved)
    if few:
        return
    yield saved(kind.algorithm.load(first.path, env=base.env).learn(100), "learnt-again")
    yield saved(kind.model(seed=1, n_envs=2).learn(STEPS), "two-envs")
    rate = kind.algorithm.load(first.path, env=base.env, learning_rate=1e-5)
    yield saved(rate.learn(64, reset_num_timesteps=False), "other-learning-rate")
    path = folder / f"{kind.name}-midway.zip"
    kind.model(seed=2).learn(STEPS, callback=SaveAt(101, path))
    if path.exists():  # ARS may pass over any count
        yield Made(f"{kind.name} midway", path, None, TRAINED)
    if kind.algorithm is ARS:
        return
    path = folder / f"{kind.name}-stopped.zip"
    kind.model(seed=3).learn(STEPS, callback=SaveAt(75, path, stop=True))
    yield Made(f"{kind.name} stopped", path, None, TRAINED)
    more_envs = make_vec_env(Market, n_envs=3, seed=5, env_kwargs={"discrete": kind.discrete})
    wider = kind.algorithm.load(first.path, env=more_envs)
    yield saved(wider.learn(200, reset_num_timesteps=False), "went-on-in-three-envs", ("trained", "cannot tell"))
    yield saved(kind.model(policy_kwargs={"optimizer_class": torch.optim.SGD}).learn(STEPS), "sgd")
    yield saved(kind.model(learning_rate=lambda progress: 1e-3 * progress).learn(STEPS), "schedule")
    linear = LinearSchedule(1e-3, 1e-5, 1.0)
    yield saved(kind.model(learning_rate=linear).learn(STEPS), "linear-schedule")
    if kind.learns_from_rollouts:
        yield saved(kind.model(n_steps=20).learn(STEPS), "other-n-steps")
        if kind.name.endswith("PPO"):
            yield saved(kind.model(target_kl=1e-9, n_epochs=4).learn(STEPS), "stopped-early-always")
            yield saved(kind.model(target_kl=3e-3, n_epochs=6, learning_rate=3e-3).learn(STEPS), "stopped-early")
            yield saved(kind.model(batch_size=24).learn(STEPS), "odd-batches")
            other = kind.algorithm.load(first.path, env=base.env, batch_size=8)
            yield saved(other.learn(64, reset_num_timesteps=False), "other-batch-later", ("trained", "cannot tell"))
    else:
        yield saved(kind.model(gradient_steps=-1, train_freq=4).learn(STEPS), "as-many-gradient-steps")
        yield saved(kind.model(train_freq=(1, "episode")).learn(STEPS), "by-episodes")
        yield saved(kind.model(train_freq=(2, "episode"), gradient_steps=-1).learn(STEPS), "by-episodes-all")
        yield saved(kind.model(learning_starts=500).learn(STEPS), "only-collected")


def _loaded_with_others(kind: Kind, path: Path, saved: Callable[..., Made]) -> Iterator[Made]:
    """Only loaded and saved: the file no longer says what it was trained with, so it can't be told to be true."""
    if kind.learns_from_rollouts:
        others: list[dict[str, Any]] = [{"n_steps": 8}] if kind.name != "A2C" else [{"n_steps": 3}]
        if "batch_size" in kind.settings:
            others += [{"batch_size": 8}, {"n_epochs" if "n_epochs" in kind.settings else "n_critic_updates": 10}]
        if "n_epochs" in kind.settings:
            others += [{"batch_size": 4, "n_epochs": 7}]
    else:
        others = [{"gradient_steps": 3}, {"train_freq": 1}, {"learning_starts": 0}]
    for settings in others:
        what = "-".join(f"{name}-{value}" for name, value in settings.items())
        yield saved(kind.algorithm.load(path, **settings), f"loaded-with-{what}", ("trained", "cannot tell"))


def _adapted(kind: Kind, base: Any, base_path: Path, saved: Callable[..., Made]) -> Iterator[Made]:
    """A new model with the base's weights, as an adapter makes it."""
    for what, carried in (("adapted", 0), ("adapted-carried", int(base.num_timesteps))):
        model = kind.model(seed=7)
        model.policy.load_state_dict(base.policy.state_dict())
        if kind.algorithm is ARS:
            model.weights = torch.nn.utils.parameters_to_vector(model.policy.parameters()).detach()
        model.num_timesteps = carried
        model.learn(96, reset_num_timesteps=not carried)
        made = saved(model, what, ADAPTED)
        yield made
        yield Made(f"{made.name} against its base", made.path, base_path, ADAPTED)
        if carried:
            # By the file alone it can't be told from "moved-on-then-trained" of the forged ones.
            more = kind.algorithm.load(made.path, env=model.env).learn(64, reset_num_timesteps=False)
            again = saved(more, "adapted-then-continued", (*ADAPTED, "cannot tell"))
            yield again
            yield Made(f"{again.name} against its base", again.path, base_path, ADAPTED)
    model = kind.model(seed=7)
    model.policy.load_state_dict(base.policy.state_dict())
    model.num_timesteps = base.num_timesteps
    yield saved(model, "just-adapted", ADAPTED, base_path)


def forged(kind: Kind, folder: Path) -> Iterator[Made]:
    """Checkpoints that are not what they claim to be, made of the plain one of :func:`honest` in the same folder."""
    with quiet():
        yield from _forged(kind, folder)


def _forged(kind: Kind, folder: Path) -> Iterator[Made]:
    true, other = folder / f"{kind.name}-plain.zip", folder / f"{kind.name}-other.zip"
    kind.model(seed=9).learn(96).save(other)

    def saved(model: Any, what: str, *bases: Path | None, right: tuple[str, ...] = FALSE) -> Iterator[Made]:
        path = folder / f"{kind.name}-{what}.zip"
        model.save(path)
        for base in bases:
            yield Made(f"{kind.name} {what}" + (f" against {base.name}" if base else ""), path, base, right, false=True)

    counter = kind.algorithm.load(true)
    counter.num_timesteps = 300
    yield from saved(counter, "counter", None, true)

    updates = kind.algorithm.load(true)
    _scale(updates, 1.5)
    yield from saved(updates, "counter-and-updates", None, true)

    hidden = kind.algorithm.load(true)
    rollout = kind.settings.get("n_steps", 1)
    hidden.num_timesteps = hidden._total_timesteps = int(hidden.num_timesteps * 1.5) // rollout * rollout
    hidden._current_progress_remaining = 0.0
    yield from saved(hidden, "counter-and-progress", None, true)

    if kind.algorithm is not ARS:  # has no optimiser
        uncounted = kind.model(policy_kwargs={"optimizer_class": torch.optim.SGD}).learn(STEPS)
        uncounted.num_timesteps = 300
        yield from saved(uncounted, "sgd-counter", None)
        uncounted._n_updates = int(uncounted._n_updates * 1.5)
        yield from saved(uncounted, "sgd-counter-and-updates", None)

    scaled = kind.algorithm.load(true)
    _scale(scaled, 1.5)
    for optimiser in optimisers(scaled):
        for state in optimiser.state.values():
            state["step"] = state["step"] * 1.5
    yield from saved(scaled, "all-scaled", None, true)

    if kind.algorithm is not ARS:  # has no moments that another's weights would not fit
        copied = kind.algorithm.load(true)
        copied.policy.load_state_dict(kind.algorithm.load(other).policy.state_dict())
        yield from saved(copied, "weights-of-another", other)

    further = kind.algorithm.load(true, env=kind.model().env)
    further.num_timesteps = 2000
    further.learn(64, reset_num_timesteps=False)
    # Alone it may pass for a model whose first steps were made with other settings; ARS leaves nothing that could tell.
    yield from saved(further, "moved-on-then-trained", None, right=(*FALSE, "cannot tell"))
    if kind.algorithm is not ARS:
        yield from saved(further, "moved-on-then-trained", true)


def _scale(model: Any, factor: float) -> None:
    model.num_timesteps = int(model.num_timesteps * factor)
    model._n_updates = int(model._n_updates * factor)


def optimisers(model: Any) -> list[Any]:
    """All the optimisers of a model."""
    places = [(model.policy, "optimizer"), (model, "ent_coef_optimizer")]
    places += [(getattr(model, name, None), "optimizer") for name in ("actor", "critic")]
    found = [getattr(holder, name, None) for holder, name in places]
    return [item for item in found if item is not None]
