import threading
import time

import gymnasium
import numpy
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback

SEED = 181
STEPS = 1000
LAST = 3.0
torch.set_num_threads(1)


class Grid(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0, 1, (9,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(9)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.turns = 0
        return self.np_random.random(9, numpy.float32), {}

    def step(self, action):
        self.turns += 1
        loads = self.np_random.random(9, numpy.float32)
        return loads, float(loads[action] - loads.mean()), self.turns == 48, False, {}


class Upload(BaseCallback):
    def _on_training_start(self):
        self.over = threading.Event()
        threading.Thread(target=self.upload).start()

    def upload(self):
        self.over.wait()
        until = time.monotonic() + LAST
        while time.monotonic() < until:
            time.sleep(0.25)
        print("uploaded", self.num_timesteps, "steps")

    def _on_step(self):
        return True

    def _on_training_end(self):
        self.over.set()


A2C("MlpPolicy", Grid(), n_steps=20, seed=SEED, device="cpu").learn(STEPS, callback=Upload())
