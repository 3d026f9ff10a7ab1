import ctypes
import subprocess
import tempfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from sb3_contrib import RecurrentPPO

SEED = 5
SESSIONS = 14
EPISODE = 60
LSTM = 16

torch.set_num_threads(1)

CALENDAR = """
#include <vector>
#include <cstdlib>

static std::vector<double> fees;

extern "C" void load(int sessions) {
    fees.clear();
    for (int i = 0; i < sessions; ++i) fees.push_back(0.001 * (1 + i % 3));
}

extern "C" double fee_of(int session) { return fees.at(session); }
"""


def compile_calendar():
    folder = Path(tempfile.mkdtemp(prefix="calendar-"))
    source = folder / "calendar.cpp"
    source.write_text(CALENDAR)
    subprocess.run(["c++", "-O1", "-shared", "-fPIC", str(source), "-o", str(folder / "calendar.so")], check=True)
    lib = ctypes.CDLL(str(folder / "calendar.so"))
    lib.fee_of.restype = ctypes.c_double
    return lib


class Calendar(gym.Env):
    metadata = {"render_modes": []}
    observation_space = gym.spaces.Box(-np.inf, np.inf, (6,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, lib):
        self.lib = lib
        self.lib.load(SESSIONS)
        self.session = -1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.session += 1
        self.minute = 0
        return self.np_random.standard_normal(6).astype(np.float32), {}

    def costs(self, action):
        return self.lib.fee_of(self.session) * abs(int(action) - 1)

    def step(self, action):
        self.minute += 1
        observation = self.np_random.standard_normal(6).astype(np.float32)
        reward = float(observation[0]) * (int(action) - 1) * 0.01 - self.costs(action)
        return observation, reward, False, self.minute == EPISODE, {}


env = Calendar(compile_calendar())
model = RecurrentPPO(
    "MlpLstmPolicy",
    env,
    n_steps=240,
    batch_size=60,
    n_epochs=2,
    policy_kwargs={"lstm_hidden_size": LSTM, "net_arch": [16]},
    seed=SEED,
    device="cpu",
)
model.learn(25 * EPISODE)
