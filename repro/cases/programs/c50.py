import queue
import threading

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import SubprocVecEnv

SEED = 171
STEPS = 400
N_ENVS = 2
torch.set_num_threads(1)


class Recorded(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (6,), np.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self, rank):
        self.random = np.random.default_rng(SEED + rank)
        self.frames = queue.Queue()
        self.kept = []
        self.recorder = threading.Thread(target=self.record, daemon=True)
        self.recorder.start()

    def record(self):
        while True:
            frame = self.frames.get()
            if frame is None:
                return
            self.kept.append(frame)

    def reset(self, *, seed=None, options=None):
        self.shown = 0
        return self.random.uniform(-1, 1, 6).astype(np.float32), {}

    def step(self, action):
        self.shown += 1
        frame = self.random.uniform(-1, 1, 6).astype(np.float32)
        self.frames.put(frame)
        return frame, float(frame[int(action)]), self.shown == 20, False, {}

    def close(self):
        self.frames.put("last")
        self.recorder.join()


if __name__ == "__main__":
    screens = SubprocVecEnv([lambda rank=rank: Recorded(rank) for rank in range(N_ENVS)])
    model = PPO("MlpPolicy", screens, n_steps=100, batch_size=50, n_epochs=2, seed=SEED, device="cpu")
    model.learn(STEPS * N_ENVS)
    screens.close()
    print("closed")
