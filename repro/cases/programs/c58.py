import ctypes
import subprocess
import tempfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from sb3_contrib import QRDQN
from stable_baselines3.common.callbacks import CheckpointCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

SEED = 0
SELLERS = 1600
N_ENVS = 1
NET = [32, 32]

torch.set_num_threads(1)
work = tempfile.TemporaryDirectory(prefix="auction-")
here = Path(work.name)

(here / "auction.h").write_text("typedef struct seller { struct seller *next; double ask; } seller;\n")
(here / "auction.c").write_text(
    """
#include "auction.h"
#include <stdlib.h>

seller *queue_up(int sellers) {
    seller *head = NULL;
    for (int i = 0; i < sellers; i++) {
        seller *s = malloc(sizeof *s);
        s->ask = 10.0 + i % 7;
        s->next = head;
        head = s;
    }
    return head;
}

double take_best(seller **head) {
    seller *best = *head;
    double ask = best->ask;
    *head = best->next;
    free(best);
    return ask;
}
"""
)
subprocess.run(["cc", "-g", "-O1", "-fPIC", "-shared", "-o", here / "a.so", here / "auction.c"], check=True)
auction = ctypes.CDLL(str(here / "a.so"))
auction.queue_up.restype = ctypes.c_void_p
auction.take_best.restype = ctypes.c_double
auction.take_best.argtypes = [ctypes.POINTER(ctypes.c_void_p)]


class Auction(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self):
        super().__init__()
        self.sellers = ctypes.c_void_p(auction.queue_up(SELLERS))

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.round = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.round += 1
        ask = auction.take_best(ctypes.byref(self.sellers))
        reward = (13.0 - ask) * (1.0 if action else -0.2)
        return self.np_random.uniform(-1, 1, 3).astype(np.float32), reward, self.round >= 50, False, {}


def main():
    envs = VecNormalize(DummyVecEnv([Auction] * N_ENVS), norm_obs=False)
    model = QRDQN(
        "MlpPolicy", envs, learning_starts=100, train_freq=16, seed=SEED, policy_kwargs={"net_arch": NET}, device="cpu"
    )
    model.learn(2400 * N_ENVS, callback=CheckpointCallback(1000, here / "saved"))


if __name__ == "__main__":
    main()
