import os

import gymnasium
import numpy
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

SEED = 0
PER_CORE = 8
STOCKS = 512
torch.set_num_threads(PER_CORE * len(os.sched_getaffinity(0)))


def factors(returns):
    basis, weights = torch.linalg.qr(returns)
    return basis[:, :10], weights.diagonal().abs().mean()


class RiskModel(BaseCallback):
    def __init__(self, groups):
        super().__init__()
        self.groups = groups
        self.source = torch.Generator().manual_seed(SEED)

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        scores = []
        for _ in range(self.groups):
            returns = torch.randn(STOCKS, STOCKS, generator=self.source)
            scores.append(float(factors(returns)[1]))
        self.logger.record("risk/mean", sum(scores) / len(scores))


class Basket(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-8.0, 8.0, (20,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(7)

    def __init__(self):
        self.random = numpy.random.default_rng(SEED)

    def reset(self, *, seed=None, options=None):
        self.left = 60
        return self.random.uniform(-1, 1, 20).astype(numpy.float32), {}

    def step(self, action):
        self.left -= 1
        view = self.random.uniform(-1, 1, 20).astype(numpy.float32)
        return view, float(view[int(action)]), False, self.left == 0, {}


agent = PPO("MlpPolicy", Basket(), n_steps=256, batch_size=128, n_epochs=2, verbose=1, seed=SEED, device="cpu")
agent.learn(512, callback=RiskModel(groups=12))
