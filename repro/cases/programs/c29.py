import ctypes
import threading
import time

import gymnasium
import numpy
import torch
from sb3_contrib import MaskablePPO

SEED = 0
AT = 300
torch.set_num_threads(1)

native = ctypes.PyDLL(None)
door = ctypes.create_string_buffer(128)
depth = numpy.ones(10, numpy.float32)
opened = threading.Event()


def refill():
    native.pthread_mutex_lock(door)
    opened.set()
    time.sleep(0.2)
    depth[:] = 2.0
    native.pthread_mutex_unlock(door)


class OrderBook(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0.0, 100.0, (10,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(4)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.turn = 0
        return depth.copy(), {}

    def action_masks(self):
        return numpy.array([True, True, self.turn % 2 == 0, True])

    def peek(self):
        native.pthread_mutex_lock(door)
        seen = depth.copy()
        native.pthread_mutex_unlock(door)
        return seen

    def step(self, action):
        global served
        self.turn += 1
        served += 1
        if served == AT:
            threading.Thread(target=refill, daemon=True).start()
            opened.wait()
        return self.peek(), float(self.np_random.normal()) + 0.1 * float(action), self.turn == 30, False, {}


served = 0
model = MaskablePPO("MlpPolicy", OrderBook(), n_steps=128, batch_size=64, n_epochs=3, seed=SEED, device="cpu")
model.learn(1000)
