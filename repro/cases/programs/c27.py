import multiprocessing

import gymnasium
import numpy
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import SubprocVecEnv, VecMonitor

SEED = 4
AT = 200
N_ENVS = 2
torch.set_num_threads(1)
spaces = gymnasium.spaces


class Desk(gymnasium.Env):
    observation_space = spaces.Dict({"book": spaces.Box(0, 1, (5,)), "limit": spaces.Box(0, 10, (1,))})
    action_space = spaces.MultiDiscrete([3, 3])

    def __init__(self, rank, wishes, permits):
        self.rng = numpy.random.default_rng(SEED * 100 + rank)
        self.wishes, self.permits = wishes, permits
        self.orders = 0
        self.limit = 1.0

    def reset(self, *, seed=None, options=None):
        self.minute = 0
        return self.look(), {}

    def look(self):
        return {"book": self.rng.random(5, numpy.float32), "limit": numpy.array([self.limit], numpy.float32)}

    def step(self, action):
        self.minute += 1
        self.orders += 1
        if self.orders % AT == 0:
            self.wishes.put(self.limit + 1)
            self.limit = min(self.permits.get(), 10.0)
        return self.look(), float(action.sum() - 2) * float(self.rng.normal()), self.minute == 60, False, {}


class Supervisor(BaseCallback):
    def __init__(self, wishes, permits):
        super().__init__()
        self.wishes, self.permits = wishes, permits

    def _on_step(self):
        while not self.wishes.empty():
            self.permits.put(self.wishes.get())
        return True


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    wishes, permits = context.SimpleQueue(), context.SimpleQueue()
    desks = [lambda rank=rank: Desk(rank, wishes, permits) for rank in range(N_ENVS)]
    venv = VecMonitor(SubprocVecEnv(desks, start_method="fork"))
    model = PPO("MultiInputPolicy", venv, n_steps=100, batch_size=50, n_epochs=2, seed=SEED, device="cpu")
    model.learn(800 * N_ENVS, callback=Supervisor(wishes, permits))
    venv.close()
