import gymnasium
import numpy
import torch
from stable_baselines3 import TD3
from stable_baselines3.common.noise import NormalActionNoise

SEED = 13
AT = 400
WIDTH = 12
torch.set_num_threads(1)


class Curve(gymnasium.Env):
    def __init__(self):
        self.random = numpy.random.default_rng(SEED)
        self.yields = self.random.normal(3.0, 0.2, AT + WIDTH - 1)
        self.observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (WIDTH,), numpy.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), numpy.float32)
        self.now = 0

    def more(self):
        return False

    def reset(self, *, seed=None, options=None):
        self.since = self.now
        return self.tenors(), {}

    def tenors(self):
        if self.now + WIDTH > len(self.yields) and self.more():
            self.now = 0
        return self.yields[self.now : self.now + WIDTH].astype(numpy.float32)

    def step(self, action):
        self.now += 1
        view = self.tenors()
        return view, float(view.mean() * action[0]), False, self.now - self.since >= 50, {}


noise = NormalActionNoise(numpy.zeros(1), 0.1 * numpy.ones(1))
model = TD3("MlpPolicy", Curve(), learning_starts=100, action_noise=noise, seed=SEED, device="cpu")
model.learn(AT + 200)
