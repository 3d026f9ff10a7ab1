import gymnasium
import numpy
import torch
from stable_baselines3 import A2C

SEED = 4
DEPTH = 25
STEPS = 3000
torch.set_num_threads(1)


class OrderBook:
    def __init__(self):
        self.fills = []

    def add(self, side, price):
        self.fills.extend((side, price + 0.01 * level) for level in range(DEPTH))

    def position(self):
        return sum(side for side, _ in self.fills)

    def average(self):
        paid = [price for side, price in self.fills if side > 0]
        return sum(paid) / len(paid) if paid else 0.0


class Exchange(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (3,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self):
        self.random = numpy.random.default_rng(SEED)
        self.book = OrderBook()

    def reset(self, *, seed=None, options=None):
        self.price, self.clock = 50.0, 0
        self.start()
        return self.state(), {}

    def start(self):
        self.opening = self.price

    def state(self):
        worth = self.book.position() / 1000.0
        cost = self.book.average() / 100.0
        return numpy.array([self.price / 100.0, worth, cost], dtype=numpy.float32)

    def step(self, action):
        self.clock += 1
        self.price += float(self.random.normal())
        self.book.add(int(action) - 1, self.price)
        return self.state(), self.price - self.opening, self.clock == 100, False, {}


A2C("MlpPolicy", Exchange(), n_steps=10, seed=SEED, device="cpu").learn(STEPS)
