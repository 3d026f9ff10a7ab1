import gymnasium
import numpy
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.wrappers import ActionMasker

SEED = 3
BUILT = 512
WANTED = 256
torch.set_num_threads(1)


class Inventory(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0.0, 50.0, (3,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(4)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.stock, self.week = 5, 0
        return self.shelf(), {}

    def shelf(self):
        return numpy.array([self.stock, self.week, self.np_random.integers(9)], dtype=numpy.float32)

    def masks(self):
        return numpy.array([True, self.stock > 0, self.stock > 1, self.stock < 40])

    def step(self, action):
        self.week += 1
        self.stock = max(0, self.stock + (3 if int(action) == 3 else -int(action)))
        return self.shelf(), float(int(action) % 3), self.week == 45, False, {}


env = ActionMasker(Inventory(), lambda env: env.unwrapped.masks())
model = MaskablePPO("MlpPolicy", env, n_steps=BUILT, batch_size=64, n_epochs=2, seed=SEED, device="cpu")
model.learn(BUILT)
model.n_steps = WANTED
model.batch_size = 32
model.learn(BUILT * 2, reset_num_timesteps=False)
