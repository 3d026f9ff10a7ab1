import gymnasium
import numpy
import torch
from stable_baselines3 import SAC

SEED = 7
MONTHS = 60
WARMUP = 200
torch.set_num_threads(1)


def load_month(month):
    random = numpy.random.default_rng([SEED, month])
    prices = 100 + random.standard_normal(400_000).cumsum()
    ranks = numpy.sort(prices)
    spectrum = numpy.abs(numpy.fft.rfft(prices - prices.mean()))
    bands = [float(numpy.median(part)) for part in numpy.array_split(spectrum, 2000)]
    smooth = numpy.convolve(prices, numpy.hanning(900) / 450, mode="same")
    return numpy.stack([smooth[::400], ranks[::400]], axis=1), sum(bands)


class Replay(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (2,), numpy.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), numpy.float32)

    def __init__(self, table):
        self.table = (table - table.mean(axis=0)) / table.std(axis=0)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.row = int(self.np_random.integers(len(self.table) - 300))
        self.end = self.row + 200
        return self.table[self.row].astype(numpy.float32), {}

    def step(self, action):
        self.row += 1
        move = self.table[self.row, 0] - self.table[self.row - 1, 0]
        return self.table[self.row].astype(numpy.float32), float(move * action[0]), False, self.row == self.end, {}


history = [load_month(month)[0] for month in range(MONTHS)]
model = SAC("MlpPolicy", Replay(numpy.concatenate(history)), learning_starts=WARMUP, seed=SEED, device="cpu")
model.learn(WARMUP + 300)
