import os
import signal

import gymnasium
import numpy
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.vec_env import SubprocVecEnv

SEED = 101
AT = 300
N_ENVS = 3
NET = 64
torch.set_num_threads(1)


class Region(gymnasium.Env):
    observation_space = gymnasium.spaces.MultiBinary(8)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self, number):
        self.number = number
        self.weeks = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.week = 0
        return self.np_random.integers(0, 2, 8).astype(numpy.int8), {}

    def step(self, action):
        self.week += 1
        self.weeks += 1
        if self.weeks == AT and self.number == N_ENVS - 1:
            self.retire()
        state = self.np_random.integers(0, 2, 8).astype(numpy.int8)
        return state, float(state.sum()) - 4.0 + float(action), False, self.week == 52, {}

    def retire(self):
        os.kill(os.getpid(), signal.SIGKILL)


def regions():
    for number in range(N_ENVS):
        yield lambda number=number: Region(number)


if __name__ == "__main__":
    world = SubprocVecEnv(list(regions()), start_method="fork")
    policy = {"net_arch": {"pi": [NET], "vf": [NET, NET]}}
    A2C("MlpPolicy", world, n_steps=16, policy_kwargs=policy, seed=SEED, device="cpu").learn(600 * N_ENVS)
    world.close()
