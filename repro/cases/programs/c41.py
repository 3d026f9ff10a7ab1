import fcntl
import os
import subprocess
import sys
import tempfile

import gymnasium
import numpy
import torch
from stable_baselines3 import PPO

SEED = 81
AT = 333
LENGTH = 40
torch.set_num_threads(1)

WRITER = """
import fcntl, signal, sys, time
signal.alarm(60)
with open(sys.argv[1], "a") as book:
    fcntl.flock(book, fcntl.LOCK_EX)
    print("ready", flush=True)
    time.sleep(3600)
"""


class SharedBook(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (2, 3), numpy.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, path):
        self.path = path
        self.total = 0
        self.writer = None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.age = 0
        return numpy.zeros((2, 3), numpy.float32), {}

    def post(self, amount):
        with open(self.path, "a") as book:
            fcntl.flock(book, fcntl.LOCK_EX)
            book.write(f"{amount}\n")

    def step(self, action):
        self.age += 1
        self.total += 1
        if self.total == AT:
            command = [sys.executable, "-c", WRITER, self.path]
            self.writer = subprocess.Popen(command, stdout=subprocess.PIPE)
            self.writer.stdout.readline()
        self.post(action)
        view = self.np_random.uniform(-1, 1, (2, 3)).astype(numpy.float32)
        return view, float(view[0, 0]) * int(action), self.age == LENGTH, False, {}

    def close(self):
        if self.writer is not None:
            self.writer.kill()
            self.writer.wait()


handle, name = tempfile.mkstemp(suffix=".book")
os.close(handle)
env = SharedBook(name)
try:
    PPO("MlpPolicy", env, n_steps=100, batch_size=50, n_epochs=2, seed=SEED, device="cpu").learn(1200)
finally:
    env.close()
    os.remove(name)
