import resource

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.vec_env import SubprocVecEnv

SEED = 31
LIMIT_MB = 250
N_ENVS = 3
BUSY = 2
DEPTH = 40_000


class Depth(gym.Env):
    observation_space = gym.spaces.Box(-np.inf, np.inf, (9,), np.float32)
    action_space = gym.spaces.MultiDiscrete([3, 3])

    def __init__(self, rank):
        self.rank = rank
        self.snapshots = {}
        self.updates = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 100
        return np.zeros(9, np.float32), {}

    def snapshot(self):
        every = 1 if self.rank == BUSY else 4000
        if self.updates % every == 0:
            self.snapshots[self.updates // every] = np.full(DEPTH, self.updates, np.float64)
        return self.snapshots[self.updates // every][:9]

    def step(self, action):
        self.updates += 1
        self.left -= 1
        levels = self.snapshot() * 1e-4
        return levels.astype(np.float32), float(self.np_random.normal()), self.left == 0, False, {}


def start(rank):
    def depth():
        torch.set_num_threads(1)
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + LIMIT_MB * 2**20,) * 2)
        env = Depth(rank)
        env.snapshots[0] = np.zeros(DEPTH)
        return env

    return depth


if __name__ == "__main__":
    torch.set_num_threads(1)
    venv = SubprocVecEnv([start(rank) for rank in range(N_ENVS)])
    A2C("MlpPolicy", venv, n_steps=20, seed=SEED, device="cpu").learn(1300 * N_ENVS)
    venv.close()
