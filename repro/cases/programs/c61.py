import ctypes
import subprocess
import tempfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

SEED = 0
WARMUP = 900
N_STEPS = 512
FEATURES = 12
TAPE = 2048

torch.set_num_threads(1)

folder = Path(tempfile.mkdtemp(prefix="tape"))
(folder / "tape.c").write_text(
    "void record(float *tape, long at, const float *values, long count) {\n"
    "    for (long i = 0; i < count; i++) tape[at + i] = values[i];\n"
    "}\n"
)
subprocess.run(["cc", "-O2", "-shared", "-fPIC", folder / "tape.c", "-o", folder / "tape.so"], check=True)
native = ctypes.CDLL(str(folder / "tape.so"))
POINTER = ctypes.POINTER(ctypes.c_float)
native.record.argtypes = [POINTER, ctypes.c_long, POINTER, ctypes.c_long]


class Tape:
    used = 0
    seen = 0
    room = np.zeros(TAPE, np.float32)

    def write(self, values):
        self.seen += 1
        if self.seen < WARMUP:
            return
        values = np.ascontiguousarray(values.mean(axis=1), np.float32)
        at = self.used % TAPE
        native.record(self.room.ctypes.data_as(POINTER), at, values.ctypes.data_as(POINTER), len(values))
        self.used += len(values)


tape = Tape()


class Taped(BaseFeaturesExtractor):
    def __init__(self, observation_space):
        super().__init__(observation_space, 24)
        self.layers = torch.nn.Sequential(torch.nn.Linear(FEATURES, 24), torch.nn.Tanh())

    def forward(self, observations):
        features = self.layers(observations)
        tape.write(features.detach().numpy())
        return features


class OneBlock(BaseCallback):
    def _on_training_start(self):
        size = self.model.n_steps * FEATURES
        self.block = np.zeros(TAPE + size, np.float32)
        tape.room = self.block[:TAPE]

    def _on_rollout_start(self):
        buffer = self.model.rollout_buffer
        buffer.observations = self.block[TAPE:].reshape(buffer.observations.shape)

    def _on_step(self):
        return True


class Bars(gym.Env):
    def __init__(self):
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (FEATURES,), np.float32)
        self.action_space = gym.spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.bar = 0
        return self.np_random.standard_normal(FEATURES).astype(np.float32), {}

    def step(self, action):
        self.bar += 1
        row = self.np_random.standard_normal(FEATURES).astype(np.float32)
        return row, float(action @ row[:2]) * 0.1, False, self.bar == 128, {}


model = PPO(
    "MlpPolicy",
    Bars(),
    n_steps=N_STEPS,
    batch_size=48,
    n_epochs=5,
    seed=SEED,
    device="cpu",
    policy_kwargs={"features_extractor_class": Taped},
)
model.learn(8 * N_STEPS, callback=OneBlock())
