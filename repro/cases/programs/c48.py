import queue
import threading

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

SEED = 151
STEPS = 1500
NET = 32
torch.set_num_threads(1)


class Pairs(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.spread, self.tick = 0.0, 0
        return np.array([0.0, 0.0], np.float32), {}

    def step(self, action):
        before = self.spread
        self.spread = 0.95 * before + float(self.np_random.normal())
        self.tick += 1
        reward = (int(action) - 1) * (self.spread - before)
        return np.array([self.spread, before], np.float32), reward, self.tick >= 75, False, {}


class Telemetry(BaseCallback):
    def _on_training_start(self):
        self.lines = queue.Queue()
        self.sums = []
        threading.Thread(target=self.send).start()

    def send(self):
        while True:
            self.sums.append(self.lines.get())

    def _on_step(self):
        self.lines.put(float(self.locals["rewards"].sum()))
        return True


telemetry = Telemetry()
policy = {"net_arch": [NET]}
model = PPO("MlpPolicy", Pairs(), n_steps=250, batch_size=50, n_epochs=2, policy_kwargs=policy, seed=SEED, device="cpu")
model.learn(STEPS, callback=telemetry)
print("sent", len(telemetry.sums))
