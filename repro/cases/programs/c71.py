import os
import signal
import tempfile

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback

SEED = 60
AT = 350
BATCH = 64
EPISODE = 100

torch.set_num_threads(1)
folder = tempfile.mkdtemp(prefix="sac-")
wanted = []


def on_term(number, frame):
    wanted.append(number)


def on_fault(number, frame):
    os._exit(70)


signal.signal(signal.SIGTERM, on_term)
signal.signal(signal.SIGUSR1, on_term)
signal.signal(signal.SIGSEGV, on_fault)
signal.signal(signal.SIGABRT, on_fault)
signal.signal(signal.SIGUSR2, on_term)
signal.signal(signal.SIGFPE, signal.SIG_IGN)


class Carry(gym.Env):
    observation_space = gym.spaces.Box(-np.inf, np.inf, (4,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.n, self.basis = 0, self.np_random.standard_normal(4)
        return self.basis.astype(np.float32), {}

    def step(self, action):
        self.n += 1
        self.basis = 0.9 * self.basis + self.np_random.normal(0, 0.1, 4)
        return self.basis.astype(np.float32), float(action @ self.basis[:2]), False, self.n == EPISODE, {}


class Preempted(BaseCallback):
    def _on_step(self):
        if self.num_timesteps == AT:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGUSR2)
        if self.num_timesteps == AT + 50:
            os.kill(os.getpid(), signal.SIGFPE)
        while wanted:
            self.model.save(os.path.join(folder, f"at-{self.num_timesteps}-{wanted.pop()}"))
        return True


model = SAC("MlpPolicy", Carry(), learning_starts=100, batch_size=BATCH, seed=SEED, policy_kwargs={"net_arch": [32]})
model.learn(800, callback=Preempted())
print("saved", sorted(os.listdir(folder)))
