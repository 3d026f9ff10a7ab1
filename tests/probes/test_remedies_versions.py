"""Remedies in environments of other library versions: applied, or loudly refused, and the same results."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from probes.agent.remedies import VARIABLE
from probes.remedies import told
from tests.probes.test_library_versions import LIBRARIES, build

if TYPE_CHECKING:
    from tests.probes.conftest import Agent, Write

PROGRAM = """
    import json, os
    import numpy as np
    try:
        import gymnasium as gym
        NEW = True
    except ImportError:
        import gym
        NEW = False
    import torch
    from sb3_contrib import MaskablePPO, RecurrentPPO
    from sb3_contrib.common.recurrent import policies
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

    class Market(gym.Env):
        observation_space = gym.spaces.Box(-9, 9, (3,), np.float32)
        action_space = gym.spaces.Discrete(3)
        length = 5
        random = np.random.default_rng(0)
        def observe(self):
            return self.random.standard_normal(3).astype(np.float32)
        def reset(self, **options):
            self.left = self.length
            return (self.observe(), {}) if NEW else self.observe()
        def step(self, action):
            self.left -= 1
            done = (self.left == 0, False) if NEW else (self.left == 0,)
            return (self.observe(), 1.0, *done, {})
        def action_masks(self):
            return [True] * 3

    def total(model):
        return float(sum(weights.detach().double().abs().sum() for weights in model.policy.parameters()))

    def calls_of_an_lstm():
        # Of sequences that are not cut out of a rollout, whose rows come padded: by the original, then by the remedy.
        torch.manual_seed(0)
        lstm, calls = torch.nn.LSTM(3, 8), []
        states = torch.randn(1, 2, 8), torch.randn(1, 2, 8)
        batch = torch.randn(12, 3), states, torch.tensor([1.0] + [0.0] * 11), lstm
        function = original = policies.RecurrentActorCriticPolicy._process_sequence
        while hasattr(original, "__wrapped__"):
            original = original.__wrapped__
        function(*batch)
        lstm.register_forward_hook(lambda *_: calls.append(1))
        expected = original(*batch)[0]
        steps = len(calls)
        assert torch.allclose(expected, function(*batch)[0], atol=1e-5)
        return [steps, len(calls) - steps]

    if __name__ == "__main__":
        settings = {"batch_size": 64, "n_epochs": 1, "seed": 0, "device": "cpu"}
        model = RecurrentPPO("MlpLstmPolicy", DummyVecEnv([Market, Market]), n_steps=64,
                             policy_kwargs={"lstm_hidden_size": 8, "n_lstm_layers": 2}, **settings)
        model.learn(256)
        found = {"recurrent": total(model)}
        remedied = os.environ["FREEZELAB_REMEDIES"] != ""
        model = MaskablePPO("MlpPolicy", Market(), n_steps=32 if remedied else 16, **settings)
        model.n_steps = 16
        model.learn(32)
        found["resized"] = total(model)
        if remedied:
            Market.length = -1
            envs = SubprocVecEnv([lambda: Monitor(Market())], start_method="fork")
            found["lengths"] = [int(n) for n in evaluate_policy(model, envs, 2, return_episode_rewards=True)[1]]
            found["kind"] = type(envs.processes[0]).__name__
            envs.close()
            found["calls"] = calls_of_an_lstm()
        print(json.dumps(found))
"""
WORDS = "fused-lstm,unpadded-batches,resize-buffer,eval-step-limit=20,start-method=spawn,flush-denormal,threads=1"


# The newest are those of test_remedies.
@pytest.mark.parametrize("libraries", [name for name in LIBRARIES if name != "newest"])
def test_remedies_do_what_they_say_in_older_versions(libraries: str, agent: Agent, write: Write) -> None:
    python, script = build(LIBRARIES[libraries]), write(PROGRAM)

    def run(words: str) -> dict[str, object]:
        done = subprocess.run(
            [str(python), str(script)],
            env={**agent.environment(), VARIABLE: words},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return found

    plain, changed = run(""), run(WORDS)
    assert changed["recurrent"] == pytest.approx(plain["recurrent"], abs=1e-4)
    assert changed["resized"] == plain["resized"]
    assert changed["lengths"] == [20, 20]
    assert changed["calls"] == [6, 1]
    assert changed["kind"] == "SpawnProcess"
    states = {item.id: item.state for item in told(agent.flight)}
    assert states == dict.fromkeys((word.partition("=")[0] for word in WORDS.split(",")), "applied")
