import gymnasium
import numpy as np
import torch
from stable_baselines3 import TD3
from stable_baselines3.common.noise import NormalActionNoise

SEED = 23
AT = 420
torch.set_num_threads(1)

rng = np.random.default_rng(SEED)
bars = np.exp(np.cumsum(rng.normal(0, 0.01, 5000)))
bars[AT] = np.nan


class Execution(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0.0, 10.0, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    bar = 0

    def reset(self, *, seed=None, options=None):
        self.until = self.bar + 50
        self.owned = 0.0
        return np.array([1.0, 0.0], np.float32), {}

    def fill(self, wanted):
        done = False
        paid = 0.0
        while not done:
            gap = wanted - self.owned
            self.owned += 0.5 * gap
            paid += abs(gap) * 0.001
            done = abs(wanted - self.owned) < 1e-3
        return paid

    def step(self, action):
        self.bar += 1
        price = bars[self.bar]
        paid = self.fill(float(action[0]) / price)
        value = price if price > 0 else 1.0
        seen = np.clip(np.array([value, abs(self.owned)]), 0, 10).astype(np.float32)
        return seen, float(self.owned * value - paid), self.bar >= self.until, False, {}


noise = NormalActionNoise(np.zeros(1), 0.1 * np.ones(1))
options = {"learning_starts": 100, "train_freq": (4, "step"), "batch_size": 32, "policy_kwargs": {"net_arch": [32]}}
TD3("MlpPolicy", Execution(), action_noise=noise, seed=SEED, device="cpu", **options).learn(1800)
