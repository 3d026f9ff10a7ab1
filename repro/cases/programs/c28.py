import shutil
import sys
import tempfile
from pathlib import Path

import gymnasium
import numpy as np
import torch
from stable_baselines3 import DQN

SEED = 2
AT = 700
NET = 32
torch.set_num_threads(1)

RATES = """
import threading

TABLE = {"EUR": 1.08}


def load():
    import dayrates

    dayrates.TABLE["GBP"] = 1.27


reader = threading.Thread(target=load, daemon=True)
reader.start()
reader.join()
"""


class Currency(gymnasium.Env):
    metadata = {"render_modes": []}
    observation_space = gymnasium.spaces.Box(-5, 5, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self):
        self.ticks = 0
        self.rate = 1.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.hours = 0
        return np.zeros(3, np.float32), {}

    def convert(self):
        import dayrates

        self.rate = dayrates.TABLE["EUR"]

    def step(self, action):
        self.ticks += 1
        self.hours += 1
        if self.ticks == AT:
            self.convert()
        move = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return move, float(move[0]) * self.rate * (1 if action else -1), False, self.hours == 24, {}


folder = Path(tempfile.mkdtemp())
try:
    (folder / "dayrates.py").write_text(RATES)
    sys.path.insert(0, str(folder))
    settings = {"learning_starts": 100, "train_freq": 8, "policy_kwargs": {"net_arch": [NET]}}
    DQN("MlpPolicy", Currency(), seed=SEED, device="cpu", **settings).learn(2500)
finally:
    shutil.rmtree(folder)
