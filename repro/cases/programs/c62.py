import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.env_util import make_vec_env

SEED = 12
EVERY = 3
N_ENVS = 2
N_STEPS = 256

torch.set_num_threads(1)


class Spread(gym.Env):
    """Two correlated shares; the agent holds the spread long, short or not at all."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (7,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left, self.right, self.day = 0.0, 0.0, 0
        return self.row(), {}

    def row(self):
        noise = self.np_random.standard_normal(5)
        return np.concatenate([[self.left, self.right], 3 + 2 * noise]).astype(np.float32)

    def step(self, action):
        before = self.left - self.right
        self.left += self.np_random.normal(0, 0.3) - 0.1 * before
        self.right += self.np_random.normal(0, 0.3)
        self.day += 1
        return self.row(), (self.left - self.right - before) * (int(action) - 1), False, self.day == 64, {}


class Drift(BaseCallback):
    """Logs how far apart the first and the second half of a rollout are, in standard deviations."""

    rollouts = 0

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        self.rollouts += 1
        if self.rollouts % EVERY == 0:
            self.logger.record("drift/mean", self.drift())

    def drift(self):
        rows = self.model.rollout_buffer.observations
        rows -= rows.mean(axis=(0, 1))
        rows /= rows.std(axis=(0, 1)) + 1e-8
        half = len(rows) // 2
        return float(np.abs(rows[:half].mean(axis=(0, 1)) - rows[half:].mean(axis=(0, 1))).max())


class Progress(BaseCallback):
    def _on_step(self):
        if self.n_calls % 500 == 0:
            print("bars", self.num_timesteps)
        return True


venv = make_vec_env(Spread, n_envs=N_ENVS, seed=SEED)
agent = PPO("MlpPolicy", venv, n_steps=N_STEPS, batch_size=64, n_epochs=4, learning_rate=1e-3, seed=SEED, device="cpu")
agent.learn(9 * N_ENVS * N_STEPS, callback=CallbackList([Progress(), Drift()]))
