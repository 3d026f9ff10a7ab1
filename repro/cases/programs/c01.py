import threading
import time

import gymnasium
import numpy
import torch
from stable_baselines3 import PPO

SEED = 0
AT = 150
torch.set_num_threads(1)

first, second = threading.Lock(), threading.Lock()


def worker():
    with second:
        time.sleep(0.4)
        with first:
            time.sleep(0.01)


class Market(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-10.0, 10.0, (6,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self):
        self.rows = numpy.random.default_rng(SEED)
        self.count = 0

    def reset(self, *, seed=None, options=None):
        self.left = 40
        return self.rows.random(6, dtype=numpy.float32), {}

    def step(self, action):
        self.count += 1
        self.left -= 1
        if self.count == AT:
            threading.Thread(target=worker, daemon=True).start()
            time.sleep(0.1)
        if self.count >= AT:
            self.book(action)
        return self.rows.random(6, dtype=numpy.float32), float(self.rows.random()), self.left == 0, False, {}

    def book(self, action):
        with first:
            time.sleep(0.01)
            with second:
                self.last = action


PPO("MlpPolicy", Market(), n_steps=128, batch_size=32, n_epochs=2, seed=SEED, device="cpu").learn(2048)
