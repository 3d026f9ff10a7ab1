import gymnasium
import numpy
import torch
from gymnasium.wrappers import TimeLimit
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.monitor import Monitor

SEED = 5
LENGTH = 100
NET = 32
torch.set_num_threads(1)


class Holding(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (3,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cash, self.shares = 1000.0, 0
        return self.state(), {}

    def state(self):
        return numpy.array([self.cash / 1000, self.shares, 1.0], numpy.float32)

    def step(self, action):
        move = float(self.np_random.normal(0.01, 1.0)) * self.shares
        self.shares = int(action)
        self.cash += move
        return self.state(), move, self.cash < -1e6, False, {}


train_env = Monitor(TimeLimit(Holding(), LENGTH))
test_env = Monitor(Holding())
test = EvalCallback(test_env, eval_freq=2000, n_eval_episodes=3, deterministic=True, verbose=0)
policy = {"net_arch": [NET, NET]}
model = PPO(
    "MlpPolicy", train_env, n_steps=250, batch_size=50, n_epochs=3, policy_kwargs=policy, seed=SEED, device="cpu"
)
model.learn(3000, callback=test)
