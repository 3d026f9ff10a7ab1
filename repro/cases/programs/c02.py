import gymnasium
import numpy
import torch
from sb3_contrib import RecurrentPPO

SEED = 0
LENGTH = 50
HIDDEN = 64
EPOCHS = 8
torch.set_num_threads(1)


class Ticker(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (12,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self):
        self.random = numpy.random.default_rng(SEED)
        self.price = 100.0

    def features(self):
        return self.random.standard_normal(12, dtype=numpy.float32)

    def reset(self, *, seed=None, options=None):
        self.minute = 0
        return self.features(), {}

    def step(self, action):
        self.minute += 1
        change = float(self.random.normal(0.0, 0.1))
        self.price += change
        last = self.minute >= LENGTH
        return self.features(), change * (int(action) - 1), last, False, {}


model = RecurrentPPO(
    "MlpLstmPolicy",
    Ticker(),
    n_steps=1024,
    batch_size=64,
    n_epochs=EPOCHS,
    policy_kwargs={"lstm_hidden_size": HIDDEN, "net_arch": [64, 64]},
    seed=SEED,
    device="cpu",
)
model.learn(2048)
print("reached", model.num_timesteps)
