import multiprocessing
import resource

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from stable_baselines3 import A2C

SEED = 6
AT = 600
torch.set_num_threads(1)


def value(paths):
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    total = 0.0
    for start in range(0, paths, 1000):
        draws = np.random.default_rng(start).normal(size=(1000, 20))
        total += float(np.maximum(draws.sum(axis=1), 0).mean())
    return total


class Options(gymnasium.Env):
    observation_space = Box(-np.inf, np.inf, (5,), np.float32)
    action_space = Discrete(2)
    count = 0
    pool = None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 50
        return self.np_random.normal(size=5).astype(np.float32), {}

    def step(self, action):
        self.count += 1
        self.left -= 1
        if self.count % 100 == 0:
            self.reprice()
        return self.np_random.normal(size=5).astype(np.float32), 0.1 * action, self.left == 0, False, {}

    def reprice(self):
        if self.pool is None:
            self.pool = multiprocessing.get_context("fork").Pool(2, maxtasksperchild=4)
        paths = 2000 if self.count < AT else 60_000_000
        self.prices = self.pool.map(value, [paths, 2000])


if __name__ == "__main__":
    A2C("MlpPolicy", Options(), seed=SEED, device="cpu").learn(1500)
