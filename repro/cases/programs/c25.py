import gymnasium
import numpy
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import SubprocVecEnv

SEED = 0
AT = 60
N_ENVS = 2
SIZE = 600
torch.set_num_threads(2)


def covariance(returns):
    table = torch.as_tensor(returns)
    return table @ table.T / table.shape[1]


class Portfolio(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-20.0, 20.0, (8,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(5)

    def __init__(self, seed):
        self.random = numpy.random.default_rng(seed)
        self.history = self.random.standard_normal((SIZE, SIZE), dtype=numpy.float32)
        self.bars = 0
        self.risk = 1.0

    def reset(self, *, seed=None, options=None):
        self.day = 0
        return self.random.standard_normal(8, dtype=numpy.float32), {}

    def step(self, action):
        self.day += 1
        self.bars += 1
        if self.bars % AT == 0:
            self.rebalance()
        reward = float(self.random.normal()) * int(action) / self.risk
        return self.random.standard_normal(8, dtype=numpy.float32), reward, self.day == 50, False, {}

    def rebalance(self):
        self.risk = 1.0 + float(covariance(self.history).diagonal().mean())


if __name__ == "__main__":
    past = numpy.random.default_rng(SEED).standard_normal((SIZE, SIZE), dtype=numpy.float32)
    print("market risk", float(covariance(past).mean()))
    workers = [lambda rank=rank: Portfolio(SEED + rank) for rank in range(N_ENVS)]
    venv = SubprocVecEnv(workers, start_method="fork")
    PPO("MlpPolicy", venv, n_steps=64, batch_size=64, n_epochs=2, seed=SEED, device="cpu").learn(N_ENVS * 256)
    venv.close()
