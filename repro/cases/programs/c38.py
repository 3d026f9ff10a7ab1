import time

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

SEED = 51
AT = 900
N_ENVS = 3
torch.set_num_threads(1)


class Auction(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (6,), np.float32)
    action_space = gymnasium.spaces.Box(-2, 2, (3,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.calls = 0
        return np.zeros(6, np.float32), {}

    def step(self, action):
        self.calls += 1
        bids = self.np_random.normal(size=6).astype(np.float32)
        return bids, float(bids[:3] @ action), False, self.calls == 80, {}


class Fees(BaseCallback):
    texts = ("0.10", "0.15", "0,20")

    def _on_step(self):
        self.fee = self.parse(self.num_timesteps // AT)
        return True

    def parse(self, period):
        while True:
            try:
                return float(self.texts[min(period, 1) * 2])
            except ValueError:
                time.sleep(0.01)


houses = VecNormalize(DummyVecEnv([Auction for _ in range(N_ENVS)]))
model = PPO("MlpPolicy", houses, n_steps=100, batch_size=100, n_epochs=2, seed=SEED, device="cpu")
model.learn(2400, callback=CallbackList([Fees()]))
