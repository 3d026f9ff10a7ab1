import multiprocessing
import threading
import time

import gymnasium
import numpy as np
import torch
from stable_baselines3 import A2C

SEED = 6
AT = 400
N_ENVS = 2
torch.set_num_threads(1)

spreads = {}
guard = threading.Lock()
busy = threading.Event()


def download():
    with guard:
        busy.set()
        time.sleep(0.5)
        spreads["DAX"] = 0.02


def valuate(row):
    with guard:
        return float(np.mean(row)) - spreads.get("DAX", 0.0)


class Basket(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (6,), np.float32)
    action_space = gymnasium.spaces.MultiBinary(2)

    def __init__(self, rank):
        self.rank, self.seen, self.fair = rank, 0, 0.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 25
        return np.zeros(6, np.float32), {}

    def rank_all(self, rows):
        threading.Thread(target=download, daemon=True).start()
        busy.wait()
        with multiprocessing.get_context("fork").Pool(2) as pool:
            return max(pool.map(valuate, rows))

    def step(self, action):
        self.seen += 1
        self.left -= 1
        if self.seen == AT and self.rank == 0:
            self.fair = self.rank_all(self.np_random.uniform(-1, 1, (4, 6)))
        view = self.np_random.uniform(-1, 1, 6).astype(np.float32)
        return view, float(action.sum()) * float(view[0]) + self.fair, self.left == 0, False, {}


if __name__ == "__main__":
    from stable_baselines3.common.vec_env import DummyVecEnv

    baskets = DummyVecEnv([lambda rank=rank: Basket(rank) for rank in range(N_ENVS)])
    A2C("MlpPolicy", baskets, n_steps=16, seed=SEED, device="cpu").learn(1000 * N_ENVS)
