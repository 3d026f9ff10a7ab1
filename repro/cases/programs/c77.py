import asyncio

import gymnasium
import numpy
import torch
from stable_baselines3 import A2C

SEED = 1
GAP_AT = 640
torch.set_num_threads(1)


class Feed:
    """Quotes that a task puts into a queue and the caller takes out."""

    def __init__(self):
        self.source = numpy.random.default_rng(SEED)
        self.count = 0

    async def pump(self, queue):
        for _ in range(4):
            self.count += 1
            price = None if self.count == GAP_AT else float(self.source.normal())
            await queue.put(price * 1.01)

    async def collect(self):
        queue = asyncio.Queue()
        task = asyncio.create_task(self.pump(queue))
        quotes = [await asyncio.wait_for(queue.get(), None) for _ in range(4)]
        await task
        return quotes


class Tape(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-9.0, 9.0, (4,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self):
        self.feed = Feed()

    def reset(self, *, seed=None, options=None):
        self.left = 64
        return self.read(), {}

    def read(self):
        return numpy.array(asyncio.run(self.feed.collect()), numpy.float32).clip(-9, 9)

    def step(self, action):
        self.left -= 1
        view = self.read()
        return view, float(view[int(action)]), False, self.left == 0, {}


A2C("MlpPolicy", Tape(), n_steps=16, seed=SEED, device="cpu").learn(800)
