import gymnasium
import numpy
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.vec_env import DummyVecEnv

SEED = 0
N_ENVS = 1
N_STEPS = 256
HIDDEN = 64
torch.set_num_threads(1)


class Pair(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (26,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(9)

    def __init__(self, seed):
        self.random = numpy.random.default_rng(seed)

    def reset(self, *, seed=None, options=None):
        self.minute = 0
        return self.random.standard_normal(26, dtype=numpy.float32), {}

    def step(self, action):
        self.minute += 1
        reward = float(self.random.normal()) * 0.01
        return self.random.standard_normal(26, dtype=numpy.float32), reward, False, self.minute == 90, {}


network = {
    "net_arch": [64, 64],
    "lstm_hidden_size": HIDDEN,
    "lstm_kwargs": {"dropout": 0.0, "batch_first": True},
}
venv = DummyVecEnv([lambda k=k: Pair(SEED + k) for k in range(N_ENVS)])
model = RecurrentPPO(
    "MlpLstmPolicy", venv, n_steps=N_STEPS, batch_size=64, n_epochs=1, policy_kwargs=network, seed=SEED, device="cpu"
)
model.learn(2 * N_STEPS * N_ENVS)
