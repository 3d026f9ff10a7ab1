import gymnasium
import numpy
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.monitor import Monitor

SEED = 2
WARMUP = 500
UPDATES = 1100
torch.set_num_threads(1)


class Hedge(gymnasium.Env):
    def __init__(self, horizon=100):
        self.horizon = horizon
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), numpy.float32)
        self.observation_space = gymnasium.spaces.Box(-10.0, 10.0, (4,), numpy.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.delta, self.day = 0.5, 0
        return self.look(), {}

    def look(self):
        noise = self.np_random.normal(size=2)
        return numpy.array([self.delta, self.day / self.horizon, *noise], dtype=numpy.float32).clip(-10, 10)

    def step(self, action):
        self.delta = float(numpy.clip(self.delta + self.np_random.normal(0, 0.05), 0, 1))
        self.day += 1
        cost = -((float(action[0]) - self.delta) ** 2)
        return self.look(), cost, False, self.day >= self.horizon, {}


model = SAC(
    "MlpPolicy",
    Monitor(Hedge()),
    learning_starts=WARMUP,
    train_freq=50,
    gradient_steps=UPDATES,
    buffer_size=5000,
    batch_size=128,
    policy_kwargs={"net_arch": [64, 64]},
    verbose=1,
    seed=SEED,
    device="cpu",
)
model.learn(WARMUP + 100, log_interval=2)
