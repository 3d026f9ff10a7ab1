import threading
from concurrent.futures import ThreadPoolExecutor

import gymnasium
import numpy
import torch
from sb3_contrib import TQC

SEED = 161
STEPS = 500
torch.set_num_threads(1)


class Storage(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0, 1, (3,), numpy.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), numpy.float32)

    def __init__(self):
        self.pool = ThreadPoolExecutor(max_workers=2)
        self.next_price = threading.Event()
        self.forecast = self.pool.submit(self.await_price)

    def await_price(self):
        self.next_price.wait()
        return 1.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.charge, self.hour = 0.5, 0
        return self.seen(), {}

    def seen(self):
        return numpy.array([self.charge, self.hour / 24, self.np_random.random()], numpy.float32)

    def step(self, action):
        self.charge = min(max(self.charge + 0.1 * float(action[0]), 0.0), 1.0)
        self.hour += 1
        return self.seen(), -float(action[0]), False, self.hour == 24, {}


env = Storage()
model = TQC("MlpPolicy", env, learning_starts=100, train_freq=8, batch_size=32, seed=SEED, device="cpu")
model.learn(STEPS)
print("charge", round(env.charge, 2))
