import gymnasium
import numpy
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

SEED = 0
EPOCHS = 60
WIDTH = 128
torch.set_num_threads(1)


class Stocks(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-10.0, 10.0, (8,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self, seed):
        self.random = numpy.random.default_rng(seed)

    def reset(self, *, seed=None, options=None):
        self.hour = 0
        return self.random.random(8, dtype=numpy.float32), {}

    def step(self, action):
        self.hour += 1
        news = self.random.random(8, dtype=numpy.float32)
        return news, float(news[0] * (int(action) - 1)), self.hour == 64, False, {}


venv = DummyVecEnv([lambda: Stocks(SEED), lambda: Stocks(SEED + 1)])
model = PPO(
    "MlpPolicy",
    venv,
    n_steps=256,
    batch_size=32,
    n_epochs=EPOCHS,
    policy_kwargs={"net_arch": [WIDTH, WIDTH]},
    seed=SEED,
    device="cpu",
)
model.learn(1536)
print("trained for", model.num_timesteps)
