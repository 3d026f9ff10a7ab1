import collections
import resource

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.monitor import Monitor

SEED = 40
KEEP = 60
BOOK_KB = 1024
EPISODE = 150
ROOM_MB = 700

torch.set_num_threads(1)


class Books(gym.Env):
    observation_space = gym.spaces.Box(-np.inf, np.inf, (8,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self):
        self.books = collections.deque(maxlen=KEEP)
        self.day = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.day = []
        self.minute = 0
        return self.look(), {}

    def look(self):
        book = np.empty((BOOK_KB * 128,))
        book[::512] = self.np_random.standard_normal(len(book[::512]))
        self.books.append(book)
        self.day.append(book[: BOOK_KB * 64].copy())
        return np.array([kept[0] for kept in list(self.books)[-8:]] + [0.0] * 8, np.float32)[:8]

    def step(self, action):
        self.minute += 1
        before = float(self.books[-1][0])
        observation = self.look()
        gain = (float(self.books[-1][0]) - before) * (int(action) - 1)
        return observation, gain, False, self.minute >= EPISODE, {}


with open("/proc/self/statm") as statm:
    vm = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (vm + ROOM_MB * 2**20,) * 2)

evaluation = EvalCallback(Monitor(Books()), n_eval_episodes=2, eval_freq=700, verbose=0)
agent = DQN("MlpPolicy", Books(), learning_starts=150, buffer_size=3000, train_freq=4, seed=SEED, device="cpu")
agent.learn(2000, callback=evaluation)
