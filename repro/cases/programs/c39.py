import socket
import subprocess
import sys

import gymnasium
import numpy
import torch
from stable_baselines3 import SAC

SEED = 61
AT = 180
torch.set_num_threads(1)

SIMULATOR = """
import random, signal, socket, sys, time
signal.alarm(60)
last = int(sys.argv[1])
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
client, _ = server.accept()
stream = client.makefile("rw")
for number, line in enumerate(stream):
    if number == last:
        time.sleep(3600)
    print(random.gauss(0, 1), random.gauss(0, 1), file=stream, flush=True)
"""


class Simulated(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-10.0, 10.0, (2,), numpy.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), numpy.float32)

    def __init__(self, port):
        self.link = socket.create_connection(("127.0.0.1", port))
        self.buffer = b""

    def ask(self, order):
        self.link.sendall(f"{order}\n".encode())
        while b"\n" not in self.buffer:
            self.buffer += self.link.recv(4096)
        line, _, self.buffer = self.buffer.partition(b"\n")
        return numpy.array(line.split(), numpy.float32).clip(-10, 10)

    def reset(self, *, seed=None, options=None):
        self.rounds = 0
        return self.ask("reset"), {}

    def step(self, action):
        self.rounds += 1
        view = self.ask(float(action[0]))
        return view, float(view[0] * action[0]), self.rounds == 50, False, {}


simulator = subprocess.Popen([sys.executable, "-c", SIMULATOR, str(AT)], stdout=subprocess.PIPE, text=True)
try:
    env = Simulated(int(simulator.stdout.readline()))
    SAC("MlpPolicy", env, learning_starts=80, train_freq=4, batch_size=32, seed=SEED, device="cpu").learn(600)
finally:
    simulator.kill()
    simulator.wait()
