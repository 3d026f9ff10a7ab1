import time

import gymnasium
import numpy
import torch
from stable_baselines3 import DQN

SEED = 5
EVERY = 150
PAUSE = 8
torch.set_num_threads(1)


class Broker(gymnasium.Env):
    def __init__(self):
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (4,), numpy.float32)
        self.action_space = gymnasium.spaces.Discrete(3)
        self.requests = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 50
        return self.np_random.random(4, dtype=numpy.float32), {}

    def ask(self):
        if self.requests % EVERY == 10:
            time.sleep(PAUSE)
        self.requests += 1
        return self.np_random.random(4, dtype=numpy.float32)

    def step(self, action):
        self.left -= 1
        answer = self.ask()
        return answer, float(answer[int(action)]), self.left == 0, False, {}


model = DQN("MlpPolicy", Broker(), learning_starts=50, train_freq=4, seed=SEED, device="cpu")
model.learn(EVERY * 3)
