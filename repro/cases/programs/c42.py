import os
import signal
import time

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import SubprocVecEnv

SEED = 91
AT = 250
N_ENVS = 3
torch.set_num_threads(1)


class Fleet(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(6)

    def __init__(self, rank):
        self.rank = rank
        self.trips = 0
        self.source = np.random.default_rng([SEED, rank])

    def reset(self, *, seed=None, options=None):
        self.legs = 0
        return self.source.uniform(-1, 1, 3).astype(np.float32), {}

    def save_power(self):
        if self.rank == N_ENVS - 1:
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(0.001)

    def step(self, action):
        self.legs += 1
        self.trips += 1
        if self.trips == AT:
            self.save_power()
        return self.source.uniform(-1, 1, 3).astype(np.float32), float(action == 2), self.legs >= 30, False, {}


if __name__ == "__main__":
    fleet = SubprocVecEnv([lambda rank=rank: Fleet(rank) for rank in range(N_ENVS)], start_method="forkserver")
    PPO("MlpPolicy", fleet, n_steps=64, batch_size=32, n_epochs=1, seed=SEED, device="cpu").learn(500 * N_ENVS)
    fleet.close()
