import subprocess
import sys

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO

SEED = 191
EVERY = 32
PAUSE = 1.5
torch.set_num_threads(1)

PLANT = """
import random, sys, time
random.seed(int(sys.argv[1]))
for line in sys.stdin:
    time.sleep(float(sys.argv[2]))
    print(random.random(), random.random(), flush=True)
"""


class Plant(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(4)

    def __init__(self):
        command = [sys.executable, "-c", PLANT, str(SEED), str(PAUSE)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.inner = 0
        self.state = self.simulate()
        return self.state, {}

    def simulate(self):
        self.process.stdin.write("next\n")
        self.process.stdin.flush()
        return np.array(self.process.stdout.readline().split(), np.float32)

    def step(self, action):
        self.inner += 1
        shift = self.np_random.normal(0, 0.05, 2) * (int(action) - 1.5)
        self.state = np.clip(self.state + shift, 0, 1).astype(np.float32)
        return self.state, float(self.state.sum()), self.inner == EVERY, False, {}

    def close(self):
        self.process.stdin.close()
        self.process.wait()


plant = Plant()
PPO("MlpPolicy", plant, n_steps=64, batch_size=32, n_epochs=3, seed=SEED, device="cpu").learn(128)
plant.close()
