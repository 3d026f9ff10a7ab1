import socket

import gymnasium
import numpy as np
import torch
from stable_baselines3 import TD3

SEED = 131
AT = 350
torch.set_num_threads(1)

gateway = socket.socket()
gateway.bind(("127.0.0.1", 0))
gateway.listen(0)
address = gateway.getsockname()


class Broker(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self):
        self.waiting = []
        self.sent = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 30
        return np.zeros(3, np.float32), {}

    def login(self):
        for _ in range(4):
            self.waiting.append(socket.create_connection(address))

    def step(self, action):
        self.left -= 1
        self.sent += 1
        if self.sent == AT:
            self.login()
        quotes = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return quotes, float(quotes[:2] @ action), False, self.left == 0, {}


settings = {"learning_starts": 100, "train_freq": 5, "batch_size": 32, "policy_kwargs": {"net_arch": [32, 32]}}
TD3("MlpPolicy", Broker(), seed=SEED, device="cpu", **settings).learn(1200)
