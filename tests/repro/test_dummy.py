from __future__ import annotations

import numpy as np

from repro.envs.dummy import DummyEnv


def test_observations_are_standard_normal_and_rewards_a_hundredth_of_it() -> None:
    env = DummyEnv()
    env.reset(seed=0)
    steps = [env.step(0) for _ in range(3000)]
    observations = np.stack([step[0] for step in steps])
    rewards = np.array([step[1] for step in steps])
    assert abs(observations.mean()) < 0.02
    assert abs(observations.std() - 1) < 0.02
    assert abs(rewards.mean()) < 0.001
    assert abs(rewards.std() - 0.01) < 0.001


def test_episodes_are_a_hundred_steps_and_never_terminate() -> None:
    env = DummyEnv()
    env.reset(seed=0)
    ends = [env.step(0)[2:4] for _ in range(100)]
    assert ends == [(False, False)] * 99 + [(False, True)]
