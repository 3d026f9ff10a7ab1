import gymnasium as gym
import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.callbacks import BaseCallback

SEED = 50
N_STEPS = 192
FROM = 2
UNIT = 1e-4
EPISODE = 64

torch.set_num_threads(1)


class Fx(gym.Env):
    observation_space = gym.spaces.Box(-np.inf, np.inf, (5,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.hour, self.rate = 0, 1.08
        return np.zeros(5, np.float32), {}

    def step(self, action):
        self.hour += 1
        change = self.np_random.normal(0, UNIT)
        self.rate += change
        observation = (self.np_random.standard_normal(5) + change / UNIT).astype(np.float32)
        return observation, float(action[0]) * change, False, self.hour == EPISODE, {}


class UnitRewards(BaseCallback):
    def __init__(self):
        super().__init__()
        self.seen = 0

    def _on_step(self):
        self.dones = self.locals["dones"]
        return True

    def _on_rollout_end(self):
        self.seen += 1
        buffer = self.model.rollout_buffer
        if self.seen >= FROM:
            buffer.rewards /= buffer.rewards.std() + 1e-12
            with torch.no_grad():
                last = self.model.policy.predict_values(
                    self.model.policy.obs_to_tensor(self.locals["new_obs"])[0],
                    self.model._last_lstm_states.vf,
                    torch.tensor(self.dones, dtype=torch.float32),
                )
            buffer.compute_returns_and_advantage(last_values=last, dones=self.dones)


model = RecurrentPPO(
    "MlpLstmPolicy",
    Fx(),
    n_steps=N_STEPS,
    batch_size=96,
    n_epochs=3,
    seed=SEED,
    policy_kwargs={"lstm_hidden_size": 16, "net_arch": [16]},
    device="cpu",
)
model.learn(8 * N_STEPS, callback=UnitRewards())
