"""
Trains with an algorithm of stable-baselines3 or sb3-contrib and counts by itself what the flight recorder should show.

Run by the tests, in environments of several library versions: ``python algorithms_program.py FLIGHT_FOLDER NAME...``.
Prints a line of JSON for each algorithm: what was true, what was shown, and the phases seen at known moments.
"""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

sys.path.insert(0, str(Path(__file__).parents[2]))
from probes.flight import FlightRecording

try:
    import gymnasium as gym

    OLD_GYM = False
except ImportError:
    import gym  # type: ignore[import-not-found]

    OLD_GYM = True

torch.set_num_threads(1)
truth: Counter[str] = Counter()
moments: dict[str, set[str]] = {}
recording: FlightRecording


def moment(name: str) -> Any:
    """Notes which phases are open now, by the reader."""
    state = recording.state()
    moments.setdefault(name, set()).add(" ".join(state.path))
    return state


class Walk(gym.Env):  # type: ignore[misc]
    """Episodes of ten steps; the first of several in a vectorised environment does the counting."""

    observation_space = gym.spaces.Box(-1, 1, (4,), np.float32)

    def __init__(self, box: bool, counts: bool = True) -> None:
        self.action_space = gym.spaces.Box(-1, 1, (2,), np.float32) if box else gym.spaces.Discrete(3)
        self.counts = counts
        self.left = 10

    def _observe(self) -> Any:
        return np.full(4, self.left / 10, np.float32)

    def reset(self, **options: Any) -> Any:
        self.left = 10
        if self.counts:
            truth["env.reset"] += 1
            moment("env.reset")
        return self._observe() if OLD_GYM else (self._observe(), {})

    def step(self, action: Any) -> Any:
        self.left -= 1
        if self.counts:
            truth["env.step"] += 1
            moment("env.step")
        done = self.left == 0
        return (self._observe(), 1.0, done, {}) if OLD_GYM else (self._observe(), 1.0, done, False, {})

    def action_masks(self) -> Any:
        return np.ones(3, bool)


class Features(FlattenExtractor):  # type: ignore[misc]
    """Every pass through a network comes by here."""

    def forward(self, observations: Any) -> Any:
        moment("network")
        return super().forward(observations)


class Adam(torch.optim.Adam):  # type: ignore[misc]
    """The optimizer of every policy."""

    def step(self, closure: Any = None) -> Any:
        state = moment("optimizer")
        truth["epochs shown"] = max(truth["epochs shown"], state.epoch)
        truth["minibatches shown"] = max(truth["minibatches shown"], state.minibatch)
        truth["n_epochs"], truth["n_minibatches"] = state.n_epochs, state.n_minibatches
        return super().step(closure)


class Watch(BaseCallback):  # type: ignore[misc]
    """Counts the calls that every callback gets."""

    def _on_training_start(self) -> None:
        truth["callback"] += 1
        self.total = recording.state().total_steps

    def _on_rollout_start(self) -> None:
        truth["callback"] += 1
        truth["collect"] += 1

    def _on_step(self) -> bool:
        truth["callback"] += 1
        state = moment("callback")
        truth["steps wrong"] += state.step != self.num_timesteps
        return True

    def _on_rollout_end(self) -> None:
        truth["callback"] += 1

    def _on_training_end(self) -> None:
        truth["callback"] += 1


class Kept:
    """Goes into a checkpoint and notes when."""

    def __reduce__(self) -> Any:
        moment("save")
        return Kept, ()


def counting(algorithm: Any) -> Any:
    """The algorithm, counting its updates: a class of ``__main__``."""

    class Counting(algorithm):  # type: ignore[misc]
        def train(self, *args: Any, **kwargs: Any) -> Any:
            truth["train"] += 1
            return super().train(*args, **kwargs)

    return Counting


_open_steps: list[object] = []


def _step_begins(optimizer: object, *_: Any) -> None:
    _open_steps.append(optimizer)


def _step_ends(*_: Any) -> None:
    # torch calls these for the step of a base class, too.
    _open_steps.pop()
    truth["optimizer"] += not _open_steps


def _count_calls(holder: Any, name: str, key: str) -> None:
    function = getattr(holder, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        truth[key] += 1
        return function(*args, **kwargs)

    setattr(holder, name, counted)


ON_POLICY = {"n_steps": 16}
PPO = {**ON_POLICY, "batch_size": 6, "n_epochs": 3}
OFF_POLICY = {"learning_starts": 12, "batch_size": 4, "buffer_size": 100, "train_freq": 4, "gradient_steps": 3}
ALGORITHMS: dict[str, tuple[str, str, bool, dict[str, Any]]] = {
    # name: package, policy, whether actions are continuous, hyperparameters
    "PPO": ("stable_baselines3", "MlpPolicy", False, PPO),
    "A2C": ("stable_baselines3", "MlpPolicy", True, ON_POLICY),
    "DQN": ("stable_baselines3", "MlpPolicy", False, OFF_POLICY),
    "SAC": ("stable_baselines3", "MlpPolicy", True, OFF_POLICY),
    "TD3": ("stable_baselines3", "MlpPolicy", True, {**OFF_POLICY, "gradient_steps": -1}),
    "DDPG": ("stable_baselines3", "MlpPolicy", True, {**OFF_POLICY, "train_freq": (1, "episode")}),
    "RecurrentPPO": ("sb3_contrib", "MlpLstmPolicy", False, PPO),
    "MaskablePPO": ("sb3_contrib", "MlpPolicy", False, PPO),
    "TRPO": ("sb3_contrib", "MlpPolicy", False, {**ON_POLICY, "batch_size": 6, "n_critic_updates": 2}),
    "TQC": ("sb3_contrib", "MlpPolicy", True, OFF_POLICY),
    "QRDQN": ("sb3_contrib", "MlpPolicy", False, OFF_POLICY),
    "CrossQ": ("sb3_contrib", "MlpPolicy", True, OFF_POLICY),
    "ARS": ("sb3_contrib", "MlpPolicy", True, {"n_delta": 2, "n_eval_episodes": 1}),
}
STEPS = 48


def train(name: str) -> dict[str, Any]:
    """Trains, evaluates and saves; what was true and what was shown."""
    package, policy, box, parameters = ALGORITHMS[name]
    algorithm = getattr(__import__(package), name, None)
    if algorithm is None:
        return {"algorithm": name, "missing": True}
    truth.clear()
    moments.clear()
    two = name == "PPO"  # the others have one environment
    envs: Any = DummyVecEnv([lambda: Monitor(Walk(box)), *([lambda: Monitor(Walk(box, False))] * two)])
    if two:
        envs = VecNormalize(envs)
    policy_kwargs: dict[str, Any] = {"net_arch": [8], "features_extractor_class": Features, "optimizer_class": Adam}
    if name == "RecurrentPPO":
        policy_kwargs["lstm_hidden_size"] = 8
    if name == "ARS":
        policy_kwargs = {"net_arch": [8]}
    model = counting(algorithm)(policy, envs, policy_kwargs=policy_kwargs, device="cpu", seed=1, **parameters)
    if name == "MaskablePPO":
        from sb3_contrib.common.maskable.callbacks import MaskableEvalCallback as Evaluation
    else:
        Evaluation = EvalCallback  # noqa: N806
    evaluated: Any = VecNormalize(DummyVecEnv([lambda: Walk(box)])) if two else DummyVecEnv([lambda: Walk(box)])
    evaluation = Evaluation(evaluated, eval_freq=20, n_eval_episodes=1, verbose=0, warn=False)
    watch = Watch()
    before = recording.state()
    model.learn(STEPS, callback=[watch, evaluation])
    learnt = recording.state()
    model.kept = Kept()
    model.save(io.BytesIO())
    after = recording.state()
    truth["eval"] = evaluation.n_calls // 20
    truth["total"] = watch.total
    if name == "ARS":
        truth["eval"] += 2 * parameters["n_delta"] * truth["collect"]
        truth["buffer.add"] = 0
    else:
        truth["buffer.add"] = model.num_timesteps // envs.num_envs
    if hasattr(model, "rollout_buffer"):
        rows, batch_size = 16 * envs.num_envs, parameters.get("batch_size")
        small = -(-rows // batch_size) if batch_size else 1
        if name == "TRPO":
            truth["epochs"], truth["minibatches"] = 3 * truth["train"], (1 + 2 * small) * truth["train"]
        else:
            truth["epochs"] = parameters.get("n_epochs", 1) * truth["train"]
            truth["minibatches"] = truth["epochs"] * small
        truth["samples"] = truth["minibatches"] + truth["epochs"]  # the last finds nothing more
        truth["advantage"] = truth["train"]
    else:
        truth["minibatches"] = truth["samples"] = model._n_updates if name != "ARS" else 0
    shown = {
        phase: total.count - (before.phases[phase].count if phase in before.phases else 0)
        for phase, total in after.phases.items()
    }
    return {
        "algorithm": name,
        "n_envs": envs.num_envs,
        "num_timesteps": model.num_timesteps,
        "learnt": {"step": learnt.step, "path": list(learnt.path), "n_steps": learnt.n_steps},
        "optimizer_steps": after.optimizer_steps - before.optimizer_steps,
        "truth": dict(truth),
        "shown": shown,
        "moments": {name: sorted(paths) for name, paths in moments.items()},
    }


def main() -> None:
    """Trains with each algorithm that is named."""
    global recording
    folder, *names = sys.argv[1:]
    (path,) = Path(folder).glob("*.bin")
    recording = FlightRecording(path)
    register_optimizer_step_pre_hook(_step_begins)
    register_optimizer_step_post_hook(_step_ends)
    _count_calls(torch.Tensor, "backward", "backward")
    _count_calls(torch.autograd, "grad", "backward")
    for name in names or ALGORITHMS:
        print(json.dumps(train(name)), flush=True)


if __name__ == "__main__":
    main()
