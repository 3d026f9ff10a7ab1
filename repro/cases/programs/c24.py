import gymnasium
import numpy
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import SubprocVecEnv, VecMonitor

SEED = 30
AT = 350
N_ENVS = 3
START = "fork"
torch.set_num_threads(1)


class Dividend(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (5,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, rank):
        self.rank = rank
        self.random = numpy.random.default_rng([SEED, rank])
        self.calendar = {day: 0.01 for day in range(AT if rank == 0 else 100_000)}
        self.day = 0

    def reset(self, *, seed=None, options=None):
        self.first = self.day
        return self.random.standard_normal(5, dtype=numpy.float32), {}

    def payout(self):
        return self.calendar[self.day]

    def step(self, action):
        self.day += 1
        gain = self.payout() * int(action)
        return self.random.standard_normal(5, dtype=numpy.float32), gain, self.day - self.first >= 60, False, {}


if __name__ == "__main__":
    makers = [lambda rank=rank: Dividend(rank) for rank in range(N_ENVS)]
    venv = VecMonitor(SubprocVecEnv(makers, start_method=START))
    PPO("MlpPolicy", venv, n_steps=100, batch_size=50, n_epochs=2, seed=SEED, device="cpu").learn(N_ENVS * 800)
    venv.close()
