import subprocess
import sys
import tempfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from sb3_contrib import TRPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

SEED = 70
EVERY = 500
N_ENVS = 2
EPISODE = 60

torch.set_num_threads(1)
folder = Path(tempfile.mkdtemp(prefix="feed-"))
(folder / "feed.c").write_text(
    """
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    char *line = malloc(100);
    snprintf(line, 100, "%s", argv[1]);
    free(line);
    free(line);
    return 0;
}
"""
)
subprocess.run(["cc", "-w", "-O0", folder / "feed.c", "-o", folder / "feed"], check=True)


class Feed(gym.Env):
    observation_space = gym.spaces.Box(-np.inf, np.inf, (6,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self):
        self.total, self.missed = 0, []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.np_random.standard_normal(6).astype(np.float32), {}

    def refresh(self):
        native = subprocess.run([folder / "feed", "NVDA"])
        script = subprocess.run([sys.executable, "-c", "raise SystemExit(3)"])
        self.missed.append((native.returncode, script.returncode))

    def fee(self):
        try:
            return 1.0 / (self.t % 7)
        except ZeroDivisionError:
            return 0.0

    def rebate(self):
        try:
            raise MemoryError("no room for a rebate today")
        except MemoryError:
            return 0.01

    def step(self, action):
        self.t += 1
        self.total += 1
        if self.total % EVERY == 0:
            self.refresh()
        row = self.np_random.standard_normal(6).astype(np.float32)
        reward = float(row[0]) * (2 * int(action) - 1) - 0.01 * self.fee() + self.rebate()
        return row, reward, False, self.t == EPISODE, {}


venv = VecNormalize(DummyVecEnv([Feed] * N_ENVS))
TRPO("MlpPolicy", venv, n_steps=256, batch_size=128, seed=SEED, device="cpu").learn(2000 * N_ENVS)
print("missed", [env.missed for env in venv.unwrapped.envs])
