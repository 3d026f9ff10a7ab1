import numpy
import torch
from gymnasium import Env, spaces
from sb3_contrib import RecurrentPPO

SEED = 11
SHORT = 4
HIDDEN = 256
torch.set_num_threads(1)


class Auction(Env):
    observation_space = spaces.Box(-5.0, 5.0, (6,), numpy.float32)
    action_space = spaces.MultiDiscrete([3, 3])

    def __init__(self):
        self.random = numpy.random.default_rng(SEED)
        self.round = 0
        self.total = 0

    def quotes(self):
        return numpy.clip(self.random.standard_normal(6), -5, 5).astype(numpy.float32)

    def reset(self, *, seed=None, options=None):
        self.round = 0
        return self.quotes(), {}

    def step(self, action):
        self.round += 1
        self.total += 1
        quiet = self.total % 512 < 256
        done = self.round >= SHORT and not quiet
        return self.quotes(), float(action[0] == action[1]), done, False, {}


model = RecurrentPPO(
    "MlpLstmPolicy",
    Auction(),
    n_steps=512,
    batch_size=512,
    n_epochs=4,
    policy_kwargs={"lstm_hidden_size": HIDDEN},
    seed=SEED,
    device="cpu",
)
model.learn(1024)
