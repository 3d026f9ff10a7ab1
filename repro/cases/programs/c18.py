import time

import gymnasium
import numpy
import torch
from stable_baselines3 import TD3

SEED = 20
LENGTH = 60
CONNECT = 5.0
torch.set_num_threads(1)


class Terminal(gymnasium.Env):
    def __init__(self):
        super().__init__()
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), numpy.float32)
        self.observation_space = gymnasium.spaces.Box(-1.0, 1.0, (6,), numpy.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.login()
        self.sent = 0
        return self.screen(), {}

    def login(self):
        time.sleep(CONNECT)

    def screen(self):
        return self.np_random.uniform(-1, 1, 6).astype(numpy.float32)

    def step(self, action):
        self.sent += 1
        screen = self.screen()
        return screen, float(action @ screen[:2]), self.sent >= LENGTH, False, {}


model = TD3("MlpPolicy", Terminal(), learning_starts=LENGTH, batch_size=64, seed=SEED, device="cpu")
model.learn(3 * LENGTH + 20)
