import queue
import threading

import gymnasium
import numpy as np
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

SEED = 1
AT = 600
N_ENVS = 2
torch.set_num_threads(1)


class Quotes(gymnasium.Env):
    def __init__(self):
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (4,), np.float64)
        self.action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.price = 100.0
        self.age = 0
        return self.view(), {}

    def view(self):
        return np.array([self.price / 100, self.age / 100, 0.0, 1.0])

    def step(self, action):
        before = self.price
        self.price *= float(np.exp(self.np_random.normal(0, 0.01)))
        self.age += 1
        return self.view(), float(action[0]) * (self.price - before), self.age >= 100, False, {}


class Ledger(BaseCallback):
    def _init_callback(self):
        self.trades = queue.Queue()
        self.balance = 0.0
        threading.Thread(target=self.post, daemon=True).start()

    def post(self):
        while True:
            number, amount = self.trades.get()
            if number % AT == 0:
                continue
            self.balance += amount
            self.trades.task_done()

    def _on_step(self):
        for amount in self.locals["rewards"]:
            self.trades.put((self.num_timesteps, float(amount)))
        return True

    def _on_rollout_end(self):
        self.trades.join()


quotes = make_vec_env(Quotes, N_ENVS, seed=SEED)
A2C("MlpPolicy", quotes, n_steps=8, seed=SEED, device="cpu").learn(4000, callback=Ledger())
