import gymnasium
import numpy
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

SEED = 5
WINDOW = 2000
UNIT = 1e-17
torch.set_num_threads(1)


class Satoshi(gymnasium.Env):
    def __init__(self, seed):
        self.random = numpy.random.default_rng(seed)
        self.observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (WINDOW,), numpy.float32)
        self.action_space = gymnasium.spaces.Discrete(2)
        self.history = list(self.random.uniform(1, 2, WINDOW + 1))

    def window(self):
        recent = numpy.asarray(self.history[-WINDOW:])
        return (recent * UNIT).astype(numpy.float32)

    def reset(self, *, seed=None, options=None):
        self.trades = 0
        return self.window(), {}

    def step(self, action):
        self.history.append(float(self.random.uniform(1, 2)))
        del self.history[0]
        self.trades += 1
        profit = self.history[-1] - self.history[-2]
        return self.window(), profit if action else -profit, False, self.trades >= 50, {}


venv = DummyVecEnv([lambda k=k: Satoshi(SEED + k) for k in range(2)])
model = PPO(
    "MlpPolicy",
    venv,
    n_steps=64,
    batch_size=16,
    n_epochs=18,
    policy_kwargs={"net_arch": [512]},
    seed=SEED,
    device="cpu",
)
model.learn(256)
