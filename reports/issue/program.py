"""The short program that trains as FreezeLab's own does: environment inlined, nothing imported but the libraries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_NOISE_EPISODE = 100
_SAME_EVERYWHERE = {
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "clip_range": 0.2,
    "vf_coef": 0.5,
    "max_grad_norm": 0.5,
    "target_kl": None,
}
"""Defaults of PPO and RecurrentPPO in every release; what equals them is left out."""

_IMPORTS = """\
import time

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
{algorithm}
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import {vec_env}
"""

_ENVIRONMENT = """\
class Noise(gymnasium.Env):
    \"\"\"{what}\"\"\"

    observation_space = spaces.Box(-np.inf, np.inf, (26,), np.float32)
    action_space = spaces.Discrete(9)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.observe(), {{}}

    def step(self, action):
        self.steps += 1
        reward = 0.01 * float(self.np_random.standard_normal())
        return self.observe(), reward, {ended}, {{}}

    def observe(self):
        return self.np_random.standard_normal(26, dtype=np.float32)
"""

_CLOCK = """\
class Clock(BaseCallback):
    \"\"\"Says how long each rollout takes, and the update after it.\"\"\"

    def _on_training_start(self):
        self.began = time.monotonic()

    def _on_rollout_start(self):
        if self.num_timesteps:
            self.say("update")

    def _on_rollout_end(self):
        self.say("rollout")

    def _on_training_end(self):
        self.say("update")

    def _on_step(self):
        return True

    def say(self, what):
        now = time.monotonic()
        print(f"step {self.num_timesteps}: the {what} took {now - self.began:.2f} s", flush=True)
        self.began = now
"""

_MAIN = """\
def main():
{threads}    env = make_vec_env({env})
    model = {algorithm}(
        "{policy}",
        env,
{arguments}
    )
{afterwards}    model.learn({steps}, callback=Clock())
    env.close()


if __name__ == "__main__":
    main()
"""


def program(options: Mapping[str, Any], episode_steps: float | None) -> tuple[str, list[str]]:
    """
    The program below its metadata, and wherein it differs from the run.

    :param options: of FreezeLab's training program, parsed and complete.
    :param episode_steps: mean length of an episode as it was asked for or counted; None if unknown.
    """
    recurrent = options["policy"] == "MlpLstmPolicy"
    algorithm = "RecurrentPPO" if recurrent else "PPO"
    vec_env = "SubprocVecEnv" if options["vec_env"] == "subproc" else "DummyVecEnv"
    what, ended, notes = _environment(options, episode_steps)
    if options["base_model"] is not None:
        notes.append("the run went on with a trained model; this one begins anew")
    if options["adapter"] == "on":
        notes.append("the adapter's weights are left out: what matters of it is lstm_kwargs")
    imports = _IMPORTS.format(
        algorithm=f"from {'sb3_contrib' if recurrent else 'stable_baselines3'} import {algorithm}", vec_env=vec_env
    )
    main = _MAIN.format(
        threads=f"    torch.set_num_threads({options['threads']})\n" if options["threads"] else "",
        env=_vectorised(options, vec_env),
        algorithm=algorithm,
        policy=options["policy"],
        arguments="\n".join(f"        {name}={value}," for name, value in _arguments(options, recurrent)),
        afterwards="".join(f"    {line}\n" for line in _afterwards(options)),
        steps=options["total_timesteps"] or 2 * options["n_steps"],
    )
    written = "\n\n".join((imports, _ENVIRONMENT.format(what=what, ended=ended), _CLOCK, main))
    return written, notes


def _environment(options: Mapping[str, Any], episode_steps: float | None) -> tuple[str, str, list[str]]:
    """Docstring of the environment, its ``terminated, truncated``, and notes."""
    if options["env"] == "dummy":
        steps = options["episode_steps"] or _NOISE_EPISODE
        return f"Noise in episodes of {steps} steps; actions change nothing.", f"False, self.steps >= {steps}", []
    name = options["env"]
    mean = max(1.0, episode_steps or float(_NOISE_EPISODE))
    unknown = "" if episode_steps else " (how long they were is not known)"
    note = (
        f"a stand-in takes the place of the environment {name}: noise of the same shape, in episodes of {mean:.0f} "
        f"steps on average{unknown}"
    )
    what = f"Stands in for the environment of the run: noise in episodes of {mean:.0f} steps on average."
    return what, f"bool(self.np_random.random() < 1 / {mean:.6g}), False", [note]


def _vectorised(options: Mapping[str, Any], vec_env: str) -> str:
    words = ["Noise", f"n_envs={options['n_envs']}", f"seed={options['seed']}", f"vec_env_cls={vec_env}"]
    if options["vec_env"] == "subproc" and options["start_method"] != "default":
        words.append(f"vec_env_kwargs={{'start_method': {options['start_method']!r}}}".replace("'", '"'))
    return ", ".join(words)


def _arguments(options: Mapping[str, Any], recurrent: bool) -> Iterator[tuple[str, str]]:
    for name in ("n_steps", "batch_size", "n_epochs", "learning_rate"):
        yield name, repr(options[name])
    yield "ent_coef", repr(options["ent_coef"])
    for name, default in _SAME_EVERYWHERE.items():
        if options[name] != default:
            yield name, repr(options[name])
    yield "policy_kwargs", "{" + ", ".join(f'"{name}": {value}' for name, value in _network(options, recurrent)) + "}"
    yield "device", f'"{options["device"]}"'
    yield "seed", repr(options["seed"])


def _network(options: Mapping[str, Any], recurrent: bool) -> Iterator[tuple[str, str]]:
    yield "net_arch", repr(list(options["net_arch"]))
    yield "activation_fn", {"relu": "torch.nn.ReLU", "tanh": "torch.nn.Tanh"}[options["activation"]]
    if recurrent:
        yield "lstm_hidden_size", repr(options["lstm_hidden_size"])
        if options["n_lstm_layers"] != 1:
            yield "n_lstm_layers", repr(options["n_lstm_layers"])
        if options["enable_critic_lstm"] != "true":
            yield "enable_critic_lstm", "False"
    if options["adapter"] == "on":
        yield "lstm_kwargs", '{"dropout": 0.0, "batch_first": True}'


def _afterwards(options: Mapping[str, Any]) -> Iterator[str]:
    if options["conservative"] == "on":
        yield f"model.n_steps = {options['conservative_n_steps']}  # changed on the built model, as it was done there"
        yield f"model.batch_size = {options['conservative_batch_size']}"
