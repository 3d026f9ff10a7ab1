import threading

import gymnasium
import numpy
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.callbacks import BaseCallback

SEED = 31
AT = 6
FEEDS = 2
HIDDEN = 16
torch.set_num_threads(1)


class Depot(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-9, 9, (4,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(9)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return numpy.zeros(4, numpy.float32), {}

    def step(self, action):
        self.at += 1
        row = self.np_random.normal(size=4).clip(-9, 9).astype(numpy.float32)
        return row, float(row[action % 4]), self.at == 64, False, {}


class Settlement(BaseCallback):
    def _on_training_start(self):
        self.meeting = threading.Barrier(FEEDS + 1)
        self.sums = numpy.zeros(FEEDS)
        for number in range(FEEDS):
            threading.Thread(target=self.collect, args=(number,), daemon=True).start()

    def collect(self, number):
        for day in range(1, 1000):
            if day == AT and number == 0:
                return
            self.sums[number] += day
            self.meeting.wait()

    def _on_step(self):
        return True

    def _on_rollout_start(self):
        self.meeting.wait()


policy = {"lstm_hidden_size": HIDDEN, "net_arch": [16]}
model = RecurrentPPO(
    "MlpLstmPolicy", Depot(), n_steps=64, batch_size=32, n_epochs=1, policy_kwargs=policy, seed=SEED, device="cpu"
)
model.learn(640, callback=Settlement())
