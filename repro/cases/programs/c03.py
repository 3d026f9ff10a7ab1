import gymnasium as gym
import numpy as np
import torch as th
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

SEED = 3
N_ENVS = 2
LONGEST = 120
PASSES = 24
th.set_num_threads(1)


class PairTrading(gym.Env):
    def __init__(self):
        self.observation_space = gym.spaces.Box(-50.0, 50.0, (26,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.equity = 1.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.spread = self.np_random.normal(size=2)
        self.bar = 0
        self.ending = int(self.np_random.choice([10, 30, 60, LONGEST]))
        self.equity = 1.0
        return self.observe(), {}

    def observe(self):
        noise = self.np_random.normal(size=24)
        return np.concatenate([self.spread, noise]).astype(np.float32)

    def step(self, action):
        old = self.spread.copy()
        self.spread = 0.98 * self.spread + 0.1 * self.np_random.normal(size=2)
        gain = float(np.dot(action, self.spread - old))
        self.equity += 0.01 * gain
        self.bar += 1
        return self.observe(), gain, False, self.bar == self.ending, {"equity": self.equity}


class Report(BaseCallback):
    def _on_step(self):
        return True

    def _on_rollout_end(self):
        print("rollout complete at", self.num_timesteps, flush=True)


venv = VecNormalize(make_vec_env(PairTrading, n_envs=N_ENVS, seed=SEED))
agent = RecurrentPPO(
    "MlpLstmPolicy",
    venv,
    n_steps=512,
    batch_size=64,
    n_epochs=PASSES,
    learning_rate=2e-4,
    policy_kwargs=dict(lstm_hidden_size=40, shared_lstm=True, enable_critic_lstm=False),
    seed=SEED,
    device="cpu",
)
agent.learn(1024 * N_ENVS, callback=Report())
