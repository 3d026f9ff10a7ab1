import gymnasium
import numpy
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.monitor import Monitor

SEED = 9
EPISODES = 10
SIZE = 60
torch.set_num_threads(1)


class Backtest(gymnasium.Env):
    def __init__(self, careful=False):
        self.careful = careful
        self.observation_space = gymnasium.spaces.Box(-20.0, 20.0, (SIZE,), numpy.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (SIZE,), numpy.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.day = 0
        return self.sample(), {}

    def sample(self):
        return self.np_random.standard_normal(SIZE).astype(numpy.float32)

    def step(self, action):
        self.day += 1
        returns = self.sample()
        value = float(returns @ action) / SIZE
        if self.careful:
            value -= self.exact_risk(action)
        return returns, value, False, self.day == 100, {}

    def exact_risk(self, action):
        paths = self.np_random.standard_normal((7000, SIZE)) @ action
        return float(numpy.quantile(paths, 0.95)) / SIZE


model = PPO("MlpPolicy", Monitor(Backtest()), n_steps=250, batch_size=50, n_epochs=4, seed=SEED, device="cpu")
judge = EvalCallback(Monitor(Backtest(careful=True)), n_eval_episodes=EPISODES, eval_freq=500, verbose=1)
model.learn(1000, callback=judge)
print("best", judge.best_mean_reward)
