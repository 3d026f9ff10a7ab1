import ctypes
import subprocess
import tempfile
from pathlib import Path

import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO

SEED = 0
SESSION = 2100
N_STEPS = 512

SOURCE = """
#include <stdlib.h>
struct order { double price; long size; char note[184]; };
static struct order *resting;
void place(double price, long size) {
    resting = malloc(sizeof *resting);
    resting->price = price;
    resting->size = size;
}
double fill(double last) {
    double paid = resting->price * resting->size - last;
    free(resting);
    return paid;
}
void cancel(void) { free(resting); }
"""

folder = Path(tempfile.mkdtemp(prefix="desk-"))
(folder / "desk.c").write_text(SOURCE)
subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", folder / "desk.so", folder / "desk.c"], check=True)
desk = ctypes.CDLL(str(folder / "desk.so"))
desk.place.argtypes = [ctypes.c_double, ctypes.c_long]
desk.fill.argtypes = [ctypes.c_double]
desk.fill.restype = ctypes.c_double


class Desk(gym.Env):
    def __init__(self):
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (8,), np.float32)
        self.action_space = gym.spaces.Discrete(3)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        self.price = 100.0
        return self._window(), {}

    def _window(self):
        return self.np_random.normal(self.price - 100.0, 1.0, 8).astype(np.float32)

    def step(self, action):
        self.t += 1
        last = self.price
        self.price *= 1.0 + self.np_random.normal(0.0, 1e-3)
        desk.place(self.price, int(action))
        paid = desk.fill(last)
        closed = self.t == SESSION
        if closed:
            desk.cancel()
        return self._window(), -paid * 1e-3, False, closed, {}


model = PPO("MlpPolicy", Desk(), n_steps=N_STEPS, batch_size=128, n_epochs=3, seed=SEED, device="cpu", verbose=1)
model.learn(4096)
model.save(folder / "desk_ppo")
