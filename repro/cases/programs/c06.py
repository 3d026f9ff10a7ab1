import os

import gymnasium
import numpy
import torch
from stable_baselines3 import PPO

SEED = 0
PER_CORE = 16
WIDTH = 512
torch.set_num_threads(PER_CORE * len(os.sched_getaffinity(0)))


class Basket(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-8.0, 8.0, (60,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(7)

    def __init__(self):
        self.random = numpy.random.default_rng(SEED)

    def reset(self, *, seed=None, options=None):
        self.left = 60
        return self.random.uniform(-1, 1, 60).astype(numpy.float32), {}

    def step(self, action):
        self.left -= 1
        view = self.random.uniform(-1, 1, 60).astype(numpy.float32)
        return view, float(view[int(action)]), False, self.left == 0, {}


network = {"net_arch": [WIDTH, WIDTH, WIDTH], "activation_fn": torch.nn.ReLU}
agent = PPO(
    "MlpPolicy", Basket(), n_steps=256, batch_size=256, n_epochs=3, policy_kwargs=network, seed=SEED, device="cpu"
)
agent.learn(512)
