import gymnasium
import numpy
import pandas
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

SEED = 1
COLUMNS = 60
TOTAL = 3500
torch.set_num_threads(1)


class Journal(BaseCallback):
    def __init__(self):
        super().__init__()
        self.table = pandas.DataFrame()
        self.rows = []

    def _on_step(self):
        self.rows.append(self.locals["new_obs"][0].tolist())
        self.summary = numpy.array(self.rows).mean(axis=0)
        return True

    def _on_training_end(self):
        self.table = pandas.DataFrame(self.rows)
        print(self.table.describe().iloc[:3, :4])


class Screen(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-9.0, 9.0, (COLUMNS,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(4)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.tick = 0
        return self.row(), {}

    def row(self):
        return self.np_random.uniform(-1, 1, COLUMNS).astype(numpy.float32)

    def step(self, action):
        self.tick += 1
        return self.row(), float(self.np_random.random()), self.tick % 80 == 0, False, {}


model = PPO("MlpPolicy", Screen(), n_steps=200, batch_size=100, n_epochs=2, seed=SEED, device="cpu")
model.learn(TOTAL, callback=Journal())
