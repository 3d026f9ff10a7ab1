import os
import subprocess
import sys

import gymnasium
import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.callbacks import BaseCallback

SEED = 111
AT = 320
HIDDEN = 16
torch.set_num_threads(1)


class Term(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (5,), np.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.months = 0
        return np.zeros(5, np.float32), {}

    def step(self, action):
        self.months += 1
        curve = self.np_random.uniform(-1, 1, 5).astype(np.float32)
        return curve, float(curve[int(action)]), self.months == 36, False, {}


class Release(BaseCallback):
    def _on_step(self):
        if self.num_timesteps == AT:
            self.confirm()
        return True

    def confirm(self):
        answer = input("release this model? ")
        self.released = answer.startswith("y")


operator = subprocess.Popen(
    [sys.executable, "-c", "import signal; signal.alarm(60); signal.pause()"], stdout=subprocess.PIPE
)
os.dup2(operator.stdout.fileno(), 0)
policy = {"lstm_hidden_size": HIDDEN, "net_arch": []}
model = RecurrentPPO(
    "MlpLstmPolicy", Term(), n_steps=128, batch_size=64, n_epochs=1, policy_kwargs=policy, seed=SEED, device="cpu"
)
try:
    model.learn(640, callback=Release())
finally:
    operator.kill()
    operator.wait()
