import os
import resource

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

SEED = 13
STAGES = [(128, 64), (256, 128), (2048, 2048)]
WIDTH = 16384
ROOM_MB = 350
N_ENVS = 2

torch.set_num_threads(1)


class Basket(gym.Env):
    observation_space = gym.spaces.Box(-np.inf, np.inf, (10,), np.float32)
    action_space = gym.spaces.MultiBinary(4)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 200
        return self.np_random.standard_normal(10).astype(np.float32), {}

    def step(self, action):
        self.left -= 1
        row = self.np_random.standard_normal(10).astype(np.float32)
        return row, float(np.dot(action - 0.5, row[:4])), False, self.left == 0, {}


def allow(megabytes):
    with open(f"/proc/{os.getpid()}/statm") as file:
        now = int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    resource.setrlimit(resource.RLIMIT_AS, (now + megabytes * 2**20, resource.RLIM_INFINITY))


model = None
for n_steps, batch_size in STAGES:
    settings = dict(n_steps=n_steps // N_ENVS, batch_size=batch_size, n_epochs=1, seed=SEED, device="cpu")
    stage = PPO("MlpPolicy", DummyVecEnv([Basket] * N_ENVS), policy_kwargs={"net_arch": [WIDTH]}, **settings)
    if model is None:
        stage.learn(n_steps)
        allow(ROOM_MB)
    else:
        stage.policy.load_state_dict(model.policy.state_dict())
    stage.learn(n_steps)
    print("stage", n_steps, "done", flush=True)
    model = stage
