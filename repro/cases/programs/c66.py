import resource

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO

SEED = 0
ROOM_MB = 160
KEPT = 1500
EPISODE = 50

torch.set_num_threads(1)


class Tick(gym.Env):
    def __init__(self):
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (16,), np.float32)
        self.action_space = gym.spaces.Discrete(3)
        self.history = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.start = len(self.history)
        self.count = 0
        return np.zeros(16, np.float32), {}

    def remember(self, tick):
        self.history.append([tick] + [float(x) for x in range(KEPT)])

    def step(self, action):
        self.count += 1
        tick = float(self.np_random.normal())
        self.remember(tick)
        recent = [row[0] for row in self.history[-16:]]
        observation = np.array(recent + [0.0] * (16 - len(recent)), np.float32)
        return observation, tick * (int(action) - 1), False, self.count == EPISODE, {}


def virtual_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


model = PPO("MlpPolicy", Tick(), n_steps=256, batch_size=64, n_epochs=3, seed=SEED, device="cpu")
model.learn(256)
allowed = virtual_bytes() + (ROOM_MB << 20)
resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
model.learn(6144)
