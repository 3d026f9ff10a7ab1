import time

import gymnasium
import numpy
import torch
from stable_baselines3 import A2C

SEED = 1
PERIOD = 0.5
STEPS = 40
torch.set_num_threads(1)


class LiveFeed(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (3,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self):
        self.random = numpy.random.default_rng(SEED)
        self.next = time.monotonic()

    def reset(self, *, seed=None, options=None):
        self.quotes = 0
        return self.receive(), {}

    def receive(self):
        self.next += PERIOD
        time.sleep(max(self.next - time.monotonic(), 0.0))
        return self.random.uniform(-1, 1, 3).astype(numpy.float32)

    def step(self, action):
        self.quotes += 1
        quote = self.receive()
        return quote, float(quote[int(action)]), False, self.quotes == 15, {}


A2C("MlpPolicy", LiveFeed(), n_steps=5, verbose=1, seed=SEED, device="cpu").learn(STEPS, log_interval=2)
