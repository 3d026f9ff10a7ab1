import json
import os
import tempfile

import gymnasium
import numpy
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

SEED = 8
N_STEPS = 4000
ROUNDS = 2
torch.set_num_threads(1)
folder = tempfile.mkdtemp(prefix="ledger-")


def store(name, record):
    draft = os.path.join(folder, name + ".new")
    with open(draft, "w") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, os.path.join(folder, name))
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


class Ledger(BaseCallback):
    def _on_step(self):
        return True

    def _on_rollout_end(self):
        rewards = self.locals["rollout_buffer"].rewards.ravel().tolist()
        for number, reward in enumerate(rewards):
            store("entry.json", {"number": number, "reward": reward})
            store("last.json", {"number": number})


class Spot(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0.0, 1.0, (5,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.random(5, dtype=numpy.float32), {}

    def step(self, action):
        price = self.np_random.random(5, dtype=numpy.float32)
        return price, float(price[int(action)]), bool(price[0] > 0.98), False, {}


model = PPO("MlpPolicy", Spot(), n_steps=N_STEPS, batch_size=N_STEPS // 4, n_epochs=2, seed=SEED, device="cpu")
model.learn(N_STEPS * ROUNDS, callback=Ledger())
for name in os.listdir(folder):
    os.remove(os.path.join(folder, name))
os.rmdir(folder)
