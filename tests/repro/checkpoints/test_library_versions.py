"""Checkpoints that older releases of stable-baselines3 wrote."""

from __future__ import annotations

import json
import subprocess
import textwrap
import zipfile
from pathlib import Path

import pytest

from repro.checkpoints.audit import audit
from tests.probes.test_library_versions import LIBRARIES, build

PROGRAM = """
    import sys
    import numpy as np
    import torch
    from sb3_contrib import TQC, RecurrentPPO
    from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
    try:
        import gymnasium as gym
        NEW = True
    except ImportError:
        import gym
        NEW = False
    torch.set_num_threads(1)

    class Env(gym.Env):
        observation_space = gym.spaces.Box(-9, 9, (3,), np.float32)

        def __init__(self, discrete):
            self.action_space = gym.spaces.Discrete(3) if discrete else gym.spaces.Box(-1, 1, (1,), np.float32)

        def reset(self, **_):
            self.left = 9
            return (np.ones(3, np.float32), {}) if NEW else np.ones(3, np.float32)

        def step(self, action):
            self.left -= 1
            done = self.left == 0
            seen = np.full(3, self.left / 9, np.float32)
            return (seen, 1.0, done, False, {}) if NEW else (seen, 1.0, done, {})

    rollout = dict(n_steps=32, batch_size=16, n_epochs=3)
    replay = dict(learning_starts=40, buffer_size=500, batch_size=16)
    MODELS = {
        "PPO": (PPO, "MlpPolicy", True, rollout),
        "PPO-early": (PPO, "MlpPolicy", True, dict(rollout, target_kl=1e-9)),
        "RecurrentPPO": (RecurrentPPO, "MlpLstmPolicy", True, dict(rollout, target_kl=1e-4)),
        "A2C": (A2C, "MlpPolicy", True, {}),
        "DQN": (DQN, "MlpPolicy", True, replay),
        "SAC": (SAC, "MlpPolicy", False, replay),
        "TD3": (TD3, "MlpPolicy", False, dict(replay, train_freq=(1, "episode"), gradient_steps=-1)),
        "TQC": (TQC, "MlpPolicy", False, replay),
    }
    for name, (algorithm, policy, discrete, settings) in MODELS.items():
        kwargs = {"net_arch": [8], **({"lstm_hidden_size": 4} if algorithm is RecurrentPPO else {})}
        model = algorithm(policy, Env(discrete), device="cpu", seed=1, policy_kwargs=kwargs, **settings)
        model.learn(192).save(f"{sys.argv[1]}/{name}.zip")
        model.num_timesteps = 320
        model.save(f"{sys.argv[1]}/{name}-forged.zip")
"""


@pytest.mark.parametrize("release", ["1.8", "2.3"])
def test_checkpoints_of_older_releases_are_read(release: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    done = subprocess.run(
        [build(LIBRARIES[release]), "-W", "ignore", program, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = {path.stem: audit(path) for path in sorted(tmp_path.glob("*.zip"))}
    assert len(said) == 16
    for name, found in said.items():
        right = "counter-edited" if name.endswith("-forged") else "trained"
        assert (name, found.verdict.value, found.document["unread"]) == (name, right, {}), found.document["evidence"]
        assert found.document["saved"]["stable_baselines3"].startswith(release)
        assert found.document["algorithm"] == name.partition("-")[0]


def test_a_file_without_what_the_first_releases_lacked_is_read(tmp_path: Path, base: Path) -> None:
    # Before 1.2 there was no system_info.txt, and before 1.4 no _num_timesteps_at_start.
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(base) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            if name not in ("system_info.txt", "_stable_baselines3_version"):
                content = source.read(name)
                if name == "data":
                    values = json.loads(content)
                    del values["_num_timesteps_at_start"]
                    content = json.dumps(values).encode()
                target.writestr(name, content)
    found = audit(path)
    assert found.verdict.value == "trained"
    assert found.document["saved"]["stable_baselines3"] is None
