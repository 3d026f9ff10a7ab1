import ctypes
import os
import subprocess
import tempfile

import gymnasium
import numpy
import torch
from gymnasium.spaces import Box
from stable_baselines3 import A2C
from stable_baselines3.common.env_util import make_vec_env

SEED = 4
SHORT, LONG = 48, 120
AT = 900
N_ENVS = 1

torch.set_num_threads(1)

C = r"""
#include <stdlib.h>
#include <string.h>
#define LEVELS 12
#define DEPTH 64
typedef struct { double *levels[LEVELS]; long used; } ladder;

ladder *ladder_open(void)
{
    ladder *l = calloc(1, sizeof(ladder));
    for (int i = 0; i < LEVELS; i++)
        l->levels[i] = calloc(DEPTH, sizeof(double));
    return l;
}

double ladder_push(ladder *l, double price)
{
    double sum = 0;
    for (int i = 0; i < LEVELS; i++) {
        l->levels[i][l->used] = price + i * 0.01;
        sum += l->levels[i][l->used / 2];
    }
    l->used++;
    return sum / LEVELS;
}

void ladder_close(ladder *l)
{
    for (int i = 0; i < LEVELS; i++)
        free(l->levels[i]);
    free(l);
}
"""


def compiled():
    where = tempfile.mkdtemp(prefix="ladder")
    source, library = os.path.join(where, "ladder.c"), os.path.join(where, "libladder.so")
    with open(source, "w") as out:
        out.write(C)
    subprocess.check_call(["cc", "-g", "-O0", "-shared", "-fPIC", source, "-o", library])
    lib = ctypes.CDLL(library)
    lib.ladder_open.restype = ctypes.c_void_p
    lib.ladder_push.argtypes = [ctypes.c_void_p, ctypes.c_double]
    lib.ladder_push.restype = ctypes.c_double
    lib.ladder_close.argtypes = [ctypes.c_void_p]
    return lib


class Ladder(gymnasium.Env):
    lib = compiled()
    observation_space = Box(-20, 20, (5,), numpy.float32)
    action_space = Box(-1, 1, (1,), numpy.float32)
    total = 0
    book = None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if self.book is not None:
            self.close_book()
        self.book = self.lib.ladder_open()
        self.left = SHORT if self.total < AT else LONG
        self.mid = 50.0
        return self.look(), {}

    def close_book(self):
        self.lib.ladder_close(self.book)
        self.book = None

    def look(self):
        return (self.np_random.standard_normal(5) + self.mid - 50).clip(-20, 20).astype(numpy.float32)

    def step(self, action):
        self.total += 1
        self.left -= 1
        self.mid += float(self.np_random.normal()) * 0.05
        mean = self.lib.ladder_push(self.book, self.mid)
        reward = float(action[0]) * (self.mid - mean)
        return self.look(), reward, self.left == 0, False, {}


envs = make_vec_env(Ladder, n_envs=N_ENVS, seed=SEED)
A2C("MlpPolicy", envs, n_steps=16, seed=SEED, device="cpu", policy_kwargs={"net_arch": [32]}).learn(3000 * N_ENVS)
