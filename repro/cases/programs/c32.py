import threading

import gymnasium
import numpy as np
import torch
from stable_baselines3 import SAC

SEED = 21
AT = 40
torch.set_num_threads(1)


class Prefetcher(threading.Thread):
    def __init__(self, seed):
        super().__init__(daemon=True)
        self.source = np.random.default_rng(seed)
        self.changed = threading.Condition()
        self.pages = []

    def run(self):
        for page in range(10_000):
            data = self.source.standard_normal((8, 5)).astype(np.float32)
            if page == AT:
                break
            with self.changed:
                while len(self.pages) > 4:
                    self.changed.wait()
                self.pages.append(data)
                self.changed.notify_all()

    def take(self):
        with self.changed:
            while not self.pages:
                self.changed.wait()
            self.changed.notify_all()
            return self.pages.pop(0)


class Futures(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (5,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self):
        self.pages = Prefetcher(SEED)
        self.pages.start()

    def reset(self, *, seed=None, options=None):
        self.page = self.pages.take()
        self.row = 0
        return self.page[0], {}

    def step(self, action):
        self.row += 1
        last = self.row == len(self.page) - 1
        return self.page[self.row], float(self.page[self.row, :2] @ action), last, False, {}


agent = SAC("MlpPolicy", Futures(), learning_starts=120, train_freq=4, batch_size=32, seed=SEED, device="cpu")
agent.learn(700)
