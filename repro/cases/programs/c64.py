import numpy as np
import gymnasium as gym
import torch
from stable_baselines3 import TD3
from stable_baselines3.common.noise import NormalActionNoise

SEED = 21
AT = 500
EPISODE = 120
BATCH = 64

torch.set_num_threads(1)
np.seterr(all="ignore")


class Ledger(gym.Env):
    def __init__(self):
        self.observation_space = gym.spaces.Box(-10.0, 10.0, (8,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.days = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.until = self.days + EPISODE
        self.prices = np.full(8, 300.0, np.float16)
        return self.observation(), {}

    def observation(self):
        return (self.prices.astype(np.float32) / 300.0 - 1.0).clip(-10.0, 10.0)

    def profit(self, position, change):
        lots = np.float16(150.0 if self.days < AT else 15000.0)
        return position * lots * change

    def step(self, action):
        self.days += 1
        change = np.float16(self.np_random.choice([-8.0, -2.0, 2.0, 8.0]))
        position = np.float16(np.nan_to_num(action[0]))
        reward = self.profit(position, change) / np.float16(1000.0)
        self.prices[1:] = self.prices[:-1]
        self.prices[0] = max(self.prices[0] + change, np.float16(1.0))
        return self.observation(), float(reward), False, self.days >= self.until, {}


noise = NormalActionNoise(np.zeros(1), np.full(1, 0.3))
model = TD3(
    "MlpPolicy",
    Ledger(),
    learning_starts=100,
    batch_size=BATCH,
    buffer_size=4000,
    action_noise=noise,
    seed=SEED,
    policy_kwargs={"net_arch": [32]},
    device="cpu",
)
model.learn(1400, log_interval=4)
