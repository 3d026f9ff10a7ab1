import subprocess
import sys

import gymnasium
import numpy as np
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback, EveryNTimesteps

SEED = 71
AT = 600
LINES = 9000
torch.set_num_threads(1)

EXPORT = """
import sys
for row in range(int(sys.argv[1])):
    print(row, row * 0.5, "EURUSD")
"""


class Carry(gymnasium.Env):
    observation_space = gymnasium.spaces.Discrete(16)
    action_space = gymnasium.spaces.Discrete(4)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cell = 0
        return self.cell, {}

    def step(self, action):
        self.cell = (self.cell + int(action) + int(self.np_random.integers(2))) % 16
        return self.cell, float(self.cell == 9), self.cell == 15, False, {}


class Export(BaseCallback):
    def _on_step(self):
        self.export()
        return True

    def export(self):
        command = [sys.executable, "-c", EXPORT, str(LINES)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as tool:
            tool.wait()
            self.size = len(tool.stdout.read())


every = EveryNTimesteps(AT, Export())
DQN("MlpPolicy", Carry(), learning_starts=100, train_freq=8, seed=SEED, device="cpu").learn(2400, callback=every)
