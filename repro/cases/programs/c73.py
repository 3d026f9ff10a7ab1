import datetime as dt
import time

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

SEED = 8
AT = 700
N_ENVS = 1
torch.set_num_threads(1)


class Feed(gymnasium.Env):
    observation_space = Box(-np.inf, np.inf, (7,), np.float32)
    action_space = Discrete(3)
    count = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.now = dt.datetime(2024, 3, 8, 15, 59, 0)
        self.left = 60
        return self.bar(), {}

    def bar(self):
        return self.np_random.normal(size=7).astype(np.float32)

    def step(self, action):
        self.count += 1
        self.left -= 1
        if self.count >= AT:
            self.pace()
        return self.bar(), float(self.np_random.normal()) * (action - 1), self.left == 0, False, {}

    def pace(self):
        due = self.now + dt.timedelta(milliseconds=1)
        wait = (due - self.now).microseconds
        time.sleep(wait)
        self.now = due


envs = make_vec_env(Feed, n_envs=N_ENVS, seed=SEED)
PPO("MlpPolicy", envs, n_steps=128, seed=SEED, device="cpu").learn(2000 * N_ENVS)
