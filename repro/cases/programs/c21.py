import gymnasium
import numpy
import torch
from stable_baselines3 import PPO

SEED = 10
AT = 700
N_STEPS = 256
torch.set_num_threads(1)


class Returns(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (10,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self):
        self.random = numpy.random.default_rng(SEED)
        self.volumes = self.random.integers(5, 500, AT + 2000).astype(numpy.float32)
        self.volumes[AT : AT + 40] = 0
        self.time = 0

    def reset(self, *, seed=None, options=None):
        self.begun = self.time
        return self.relative(), {}

    def relative(self):
        recent = self.volumes[self.time : self.time + 10]
        with numpy.errstate(invalid="ignore"):
            return recent / recent.sum()

    def step(self, action):
        self.time += 1
        reward = float(self.random.normal()) * (int(action) - 1)
        return self.relative(), reward, self.time - self.begun == 100, False, {}


model = PPO("MlpPolicy", Returns(), n_steps=N_STEPS, batch_size=64, n_epochs=3, seed=SEED, device="cpu")
model.learn(1500)
