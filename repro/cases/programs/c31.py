import logging
import threading
import time

import gymnasium
import numpy
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import SubprocVecEnv

SEED = 13
AT = 120
N_ENVS = 2
torch.set_num_threads(1)

turn = threading.RLock()
writing = threading.Event()
log = logging.getLogger("desk")


class Journal(logging.Handler):
    def __init__(self, slow):
        self.slow = slow
        super().__init__()

    def createLock(self):
        self.lock = turn

    def emit(self, record):
        writing.set()
        if self.slow and record.levelno >= logging.WARNING:
            time.sleep(self.slow)


class Exchange(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-3, 3, (7,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self, seed):
        self.numbers = numpy.random.default_rng(seed)
        self.deals = 0

    def reset(self, *, seed=None, options=None):
        self.open = True
        self.clock = 0
        return numpy.zeros(7, numpy.float32), {}

    def deal(self, action):
        self.deals += 1
        if self.deals % AT == 0:
            log.error("deal %s of size %s", self.deals, action)

    def step(self, action):
        self.clock += 1
        self.deal(action)
        values = self.numbers.uniform(-1, 1, 7).astype(numpy.float32)
        return values, float(values.sum()), self.clock == 45, False, {}


log.addHandler(Journal(slow=0.4))

if __name__ == "__main__":
    threading.Thread(target=log.warning, args=("the desk opens",), daemon=True).start()
    writing.wait()
    venv = SubprocVecEnv([lambda rank=rank: Exchange(SEED + rank) for rank in range(N_ENVS)], start_method="fork")
    model = PPO("MlpPolicy", venv, n_steps=64, batch_size=32, n_epochs=2, seed=SEED, device="cpu")
    model.learn(300 * N_ENVS)
    venv.close()
