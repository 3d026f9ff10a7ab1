import gymnasium
import numpy as np
import torch
from sb3_contrib import QRDQN

SEED = 17
AT = 60
LENGTH = 15
torch.set_num_threads(1)


class Sessions(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (4,), np.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self):
        self.generator = np.random.default_rng(SEED)
        self.series = self.generator.uniform(-1, 1, 5000)
        self.played = 0

    def draw(self):
        wanted = 0.2 + 0.8 * (self.played // AT)
        while True:
            begin = int(self.generator.integers(4, len(self.series) - LENGTH))
            if self.series[begin : begin + LENGTH].std() >= wanted:
                return begin

    def reset(self, *, seed=None, options=None):
        self.begin = self.draw()
        self.played += 1
        self.now = self.begin
        return self.recent(), {}

    def recent(self):
        return self.series[self.now - 4 : self.now].astype(np.float32)

    def step(self, action):
        gain = float(self.series[self.now]) * (int(action) - 1)
        self.now += 1
        return self.recent(), gain, self.now == self.begin + LENGTH, False, {}


settings = {
    "learning_starts": 200,
    "train_freq": 16,
    "batch_size": 32,
    "policy_kwargs": {"net_arch": [32], "n_quantiles": 20},
}
QRDQN("MlpPolicy", Sessions(), seed=SEED, device="cpu", **settings).learn(2000)
