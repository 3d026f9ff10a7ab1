import threading

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box
from stable_baselines3 import SAC

SEED = 3
ROOM = 500
torch.set_num_threads(1)


class Blotter:
    def __init__(self):
        self.guard = threading.Lock()
        self.rows = []

    def write(self, row):
        with self.guard:
            self.rows.append(row)
            if len(self.rows) == ROOM:
                self.trim()

    def trim(self):
        with self.guard:
            del self.rows[: ROOM // 2]


class Desk(gymnasium.Env):
    observation_space = Box(-8, 8, (4,), np.float32)
    action_space = Box(-1, 1, (1,), np.float32)

    def __init__(self):
        self.blotter = Blotter()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 40
        return self.look(), {}

    def look(self):
        return self.np_random.uniform(-3, 3, 4).astype(np.float32)

    def step(self, action):
        self.left -= 1
        gain = float(action[0] * self.np_random.normal())
        self.blotter.write((self.left, gain))
        return self.look(), gain, False, self.left == 0, {}


SAC("MlpPolicy", Desk(), learning_starts=200, train_freq=8, seed=SEED, device="cpu").learn(1600)
