import gymnasium
import numpy
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.env_util import make_vec_env

SEED = 14
AT = 900
N_ENVS = 2
torch.set_num_threads(1)


class Mixed(gymnasium.Env):
    observation_space = gymnasium.spaces.Dict(
        {
            "price": gymnasium.spaces.Box(-numpy.inf, numpy.inf, (4,), numpy.float32),
            "news": gymnasium.spaces.Box(0, 1, (6,), numpy.float32),
        }
    )
    action_space = gymnasium.spaces.Discrete(3)
    served = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 70
        return self.gather(), {}

    def gather(self):
        self.served += 1
        parts = {"price": self.np_random.standard_normal(4, dtype=numpy.float32)}
        headlines = self.headlines()
        if headlines is not None:
            parts["news"] = headlines
        return parts

    def headlines(self):
        if self.served == AT:
            return None
        return self.np_random.random(6, dtype=numpy.float32)

    def step(self, action):
        self.left -= 1
        parts = self.gather()
        return parts, float(parts["price"][int(action)]), self.left == 0, False, {}


model = A2C("MultiInputPolicy", make_vec_env(Mixed, N_ENVS, seed=SEED), n_steps=8, seed=SEED, device="cpu")
model.learn(N_ENVS * (AT + 200))
