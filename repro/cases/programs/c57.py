import ctypes
import os
import subprocess
import tempfile

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import SubprocVecEnv

SEED = 7
AT = 700
N_ENVS = 3
VOLATILE = 1

SOURCE = r"""
#include <assert.h>
#include <math.h>

double premium(double spot, double strike, double sigma)
{
    assert(sigma > 0.0);
    double d = log(spot / strike) / sigma;
    return spot * 0.5 * erfc(-d / sqrt(2.0));
}
"""


def library(folder):
    source = os.path.join(folder, "premium.c")
    target = os.path.join(folder, "premium.so")
    if not os.path.exists(target):
        with open(source, "w") as file:
            file.write(SOURCE)
        subprocess.run(["cc", "-shared", "-fPIC", source, "-o", target, "-lm"], check=True)
    return target


class Options(gym.Env):
    observation_space = gym.spaces.Box(-10, 10, (4,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, path, rank):
        self.native = ctypes.CDLL(path)
        self.native.premium.restype = ctypes.c_double
        self.native.premium.argtypes = [ctypes.c_double] * 3
        self.rank, self.ticks = rank, 0

    def quote(self, spot):
        spread = 0.2 if self.rank != VOLATILE else 0.2 * (1 - self.ticks // AT)
        return self.native.premium(spot, 100.0, spread)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.end = self.ticks + 60
        return np.zeros(4, np.float32), {}

    def step(self, action):
        self.ticks += 1
        spot = 100.0 + self.np_random.normal()
        reward = float(action.sum()) * (self.quote(spot) - 50.0) * 0.01
        observation = self.np_random.standard_normal(4).astype(np.float32).clip(-10, 10)
        return observation, reward, self.ticks == self.end, False, {}


def maker(path, rank):
    def make():
        torch.set_num_threads(1)
        return Monitor(Options(path, rank))

    return make


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = library(folder)
        venv = SubprocVecEnv([maker(path, rank) for rank in range(N_ENVS)])
        model = PPO("MlpPolicy", venv, n_steps=200, batch_size=100, n_epochs=3, seed=SEED, device="cpu")
        model.learn(1500 * N_ENVS)
        venv.close()
