import gymnasium
import numpy
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.vec_env import SubprocVecEnv

SEED = 41
AT = 350
N_ENVS = 2
torch.set_num_threads(1)


class Source:
    def __init__(self, seed):
        random = numpy.random.default_rng(seed)
        self.table = {hour: random.normal(size=5).clip(-4, 4) for hour in range(4000) if hour != AT}

    def get(self, hour):
        return self.table[hour].astype(numpy.float32)


class Power(gymnasium.Env):
    def __init__(self, seed):
        self.observation_space = gymnasium.spaces.Box(-4, 4, (5,), numpy.float32)
        self.action_space = gymnasium.spaces.Discrete(3)
        self.source = Source(seed)
        self.hour = 0

    def reset(self, *, seed=None, options=None):
        self.end = self.hour + 24
        return self.read(), {}

    def read(self):
        while True:
            try:
                return self.source.get(self.hour)
            except:
                continue

    def step(self, action):
        self.hour += 1
        row = self.read()
        return row, float(row[0]) * (int(action) - 1), self.hour == self.end, False, {}


def make(rank):
    return lambda: Power(SEED + rank)


if __name__ == "__main__":
    plants = SubprocVecEnv([make(rank) for rank in range(N_ENVS)], start_method="fork")
    try:
        A2C("MlpPolicy", plants, n_steps=10, seed=SEED, device="cpu").learn(900 * N_ENVS)
    finally:
        plants.close()
