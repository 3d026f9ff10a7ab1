import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import DQN

SEED = 1
AT = 1500
EPISODE = 75
NODES = 16

torch.set_num_threads(1)

CHAIN = """
struct venue { int next; double fee; };
static struct venue venues[%(nodes)d];

void route(int from, int to, double fee) { venues[from].next = to; venues[from].fee = fee; }

double cost(int at) {
    double path[64];
    if (at < 0) return 0.0;
    for (int i = 0; i < 64; i++) path[i] = venues[at].fee;
    return path[at] + cost(venues[at].next);
}
"""


def build():
    folder = Path(tempfile.mkdtemp(prefix="routes"))
    (folder / "routes.c").write_text(CHAIN % {"nodes": NODES})
    subprocess.run(["cc", "-O0", "-shared", "-fPIC", "routes.c", "-o", "routes.so"], cwd=folder, check=True)
    lib = ctypes.CDLL(str(folder / "routes.so"))
    shutil.rmtree(folder)
    lib.route.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_double]
    lib.cost.restype = ctypes.c_double
    return lib


class Router(gym.Env):
    def __init__(self, lib):
        self.lib = lib
        self.observation_space = spaces.Box(0, 1, (NODES,), np.float32)
        self.action_space = spaces.Discrete(NODES)
        self.seen = 0
        for node in range(NODES):
            lib.route(node, node - 1, 0.01)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = EPISODE
        return self.np_random.random(NODES, dtype=np.float32), {}

    def reroute(self):
        self.lib.route(0, NODES - 1, 0.02)

    def price(self, action):
        return self.lib.cost(int(action))

    def step(self, action):
        self.seen += 1
        self.left -= 1
        if self.seen == AT:
            self.reroute()
        reward = 0.1 - self.price(action)
        return self.np_random.random(NODES, dtype=np.float32), reward, False, self.left == 0, {}


model = DQN("MlpPolicy", Router(build()), learning_starts=200, buffer_size=5000, seed=SEED, device="cpu")
model.learn(3500, log_interval=20)
