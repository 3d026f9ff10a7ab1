import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.vec_env import VecMonitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

SEED = 9
N_ENVS = 6
HORIZON = 90
NET = 32

torch.set_num_threads(1)


class Tape(VecEnv):
    """All accounts in one batch of numpy arrays."""

    def __init__(self, accounts):
        observation_space = gym.spaces.Box(-np.inf, np.inf, (5,), np.float32)
        super().__init__(accounts, observation_space, gym.spaces.Discrete(3))
        self.rng = np.random.default_rng(SEED)
        self.state = np.zeros((accounts, 5), np.float32)
        self.age = self.rng.integers(0, HORIZON, accounts)

    def reset(self):
        self.state[:] = self.rng.standard_normal(self.state.shape)
        return self.state

    def step_async(self, actions):
        self.positions = actions - 1

    def step_wait(self):
        moves = self.rng.normal(0, 0.4, self.num_envs)
        self.state[:, 1:] = self.state[:, :-1]
        self.state[:, 0] = 0.5 * self.state[:, 1] + moves
        rewards = (self.positions * self.state[:, 0]).astype(np.float32)
        self.age += 1
        dones = self.age >= HORIZON
        infos = [{} for _ in range(self.num_envs)]
        for account in np.flatnonzero(dones):
            infos[account]["terminal_observation"] = self.state[account].copy()
            self.state[account] = self.rng.standard_normal(5)
            self.age[account] = 0
        return self.state, rewards, dones, infos

    def close(self):
        pass

    def get_attr(self, attr_name, indices=None):
        return [getattr(self, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name, value, indices=None):
        setattr(self, attr_name, value)

    def env_method(self, method_name, *method_args, indices=None, **method_kwargs):
        return [None] * self.num_envs

    def env_is_wrapped(self, wrapper_class, indices=None):
        return [False] * self.num_envs


agent = A2C("MlpPolicy", VecMonitor(Tape(N_ENVS)), n_steps=8, seed=SEED, policy_kwargs={"net_arch": [NET, NET]})
agent.learn(1800 * N_ENVS, log_interval=200)
