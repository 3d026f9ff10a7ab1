import ctypes
import threading
import time
from multiprocessing.shared_memory import SharedMemory

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import DQN

SEED = 6
AT = 1000
SYMBOLS = 64
GROWN = 160
CAPACITY = 3000

torch.set_num_threads(1)


class Quotes(gym.Env):
    observation_space = gym.spaces.Box(-np.inf, np.inf, (6,), np.float32)
    action_space = gym.spaces.Discrete(3)
    ticks = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.end = self.ticks + 70
        return self.np_random.standard_normal(6).astype(np.float32), {}

    def step(self, action):
        self.ticks += 1
        row = self.np_random.standard_normal(6).astype(np.float32)
        return row, float(row[0]) * (int(action) - 1), False, self.ticks == self.end, {}


class Board:
    """One shared segment that a dashboard reads: the latest quotes, then what the agent has seen."""

    def __init__(self, env, buffer):
        self.env = env
        self.segment = SharedMemory(create=True, size=SYMBOLS * 4 + buffer.observations.nbytes)
        self.rng = np.random.default_rng(SEED)
        rows = np.ndarray(buffer.observations.shape, np.float32, self.segment.buf, SYMBOLS * 4)
        rows[:] = 0
        buffer.observations = rows
        self.address = rows.ctypes.data - SYMBOLS * 4
        self.open = True
        self.thread = threading.Thread(target=self.run)

    def publish(self):
        listed = SYMBOLS if self.env.ticks < AT else GROWN
        latest = self.rng.normal(100, 5, listed).astype(np.float32)
        ctypes.memmove(self.address, latest.ctypes.data, latest.nbytes)

    def run(self):
        while self.open:
            self.publish()
            time.sleep(0.05)

    def close(self, buffer):
        self.open = False
        self.thread.join()
        buffer.observations = buffer.observations.copy()


def main():
    env = Quotes()
    model = DQN("MlpPolicy", env, buffer_size=CAPACITY, learning_starts=300, train_freq=2, seed=SEED, device="cpu")
    board = Board(env, model.replay_buffer)
    board.thread.start()
    try:
        model.learn(4500, log_interval=20)
    finally:
        board.close(model.replay_buffer)
        board.segment.unlink()


main()
