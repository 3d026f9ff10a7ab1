import ctypes as ct
import pathlib
import subprocess
import tempfile

import gymnasium as gym
import numpy as np
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.callbacks import BaseCallback

SEED = 2
AT = 1200
EPISODE = 100
torch.set_num_threads(1)

tmp = pathlib.Path(tempfile.mkdtemp())
(tmp / "tickets.c").write_text(
    """
#include <stdlib.h>

struct ticket { double limit, stop, qty; long id; double legs[40]; };

struct ticket *ticket_new(double limit, double qty) {
    struct ticket *t = malloc(sizeof(struct ticket));
    t->limit = limit;
    t->stop = limit * 0.98;
    t->qty = qty;
    return t;
}

void ticket_drop(struct ticket *t) { free(t); }

void ticket_trail(struct ticket *t, double price) {
    t->limit = price;
    t->stop = price * 0.98;
}

double ticket_value(struct ticket *t, double price) { return t->qty * (price - t->limit); }
"""
)
subprocess.run(["cc", "-O1", "-fPIC", "-shared", tmp / "tickets.c", "-o", tmp / "tickets.so"], check=True)
so = ct.CDLL(f"{tmp}/tickets.so")
so.ticket_new.restype = ct.c_void_p
so.ticket_new.argtypes = [ct.c_double, ct.c_double]
so.ticket_drop.argtypes = [ct.c_void_p]
so.ticket_trail.argtypes = [ct.c_void_p, ct.c_double]
so.ticket_value.argtypes = [ct.c_void_p, ct.c_double]
so.ticket_value.restype = ct.c_double


class Tickets(gym.Env):
    observation_space = gym.spaces.Box(-5, 5, (10,), np.float32)
    action_space = gym.spaces.Discrete(4)

    def __init__(self):
        self.steps, self.trailing = 0, False

    def action_masks(self):
        return np.array([True, True, self.steps % 2 == 0, True])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.begun, self.price = self.steps, 20.0
        return np.zeros(10, np.float32), {}

    def trail_from_now(self):
        self.trailing = True

    def settle(self, qty):
        pair = [so.ticket_new(self.price, q) for q in (qty, -qty)]
        value = so.ticket_value(pair[0], self.price + 0.1)
        for ticket in pair:
            so.ticket_drop(ticket)
        if self.trailing:
            so.ticket_trail(pair[1], self.price)
        return value

    def step(self, action):
        self.steps += 1
        self.price = max(1.0, self.price + self.np_random.normal(0, 0.02))
        gain = self.settle(float(action))
        seen = self.np_random.uniform(-1, 1, 10).astype(np.float32)
        return seen, gain, False, self.steps - self.begun >= EPISODE, {}


class Trailing(BaseCallback):
    def _on_step(self):
        if self.num_timesteps == AT:
            self.training_env.env_method("trail_from_now")
        return True


agent = MaskablePPO(MaskableActorCriticPolicy, Tickets(), n_steps=400, batch_size=100, n_epochs=4, seed=SEED)
agent.learn(3200, callback=Trailing())
