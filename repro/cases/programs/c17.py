import time

import gymnasium
import numpy
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv

SEED = 12
N_ENVS = 3
DELAY = 0.6
torch.set_num_threads(1)


class Simulator(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (5,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.ticks = 0
        return self.tick(), {}

    def tick(self):
        time.sleep(DELAY)
        return self.np_random.uniform(-1, 1, 5).astype(numpy.float32)

    def step(self, action):
        self.ticks += 1
        view = self.tick()
        return view, float(view[int(action)]), self.ticks == 12, False, {}


if __name__ == "__main__":
    venv = make_vec_env(Simulator, N_ENVS, seed=SEED, vec_env_cls=SubprocVecEnv)
    model = PPO("MlpPolicy", venv, n_steps=8, batch_size=8, n_epochs=3, seed=SEED, device="cpu")
    model.learn(N_ENVS * 24)
    venv.close()
