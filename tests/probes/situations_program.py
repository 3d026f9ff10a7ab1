"""
Odd situations of real trainings, each with what the flight recorder must show in it.

Run by the tests under the agent: ``python situations_program.py FLIGHT_FOLDER``. Prints a line of JSON for each
function of the table at the end: its name, and the traceback of what was not as it should be.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

sys.path.insert(0, str(Path(__file__).parents[2]))
from probes.flight import FlightRecording, State

torch.set_num_threads(1)
recording: FlightRecording


class Walk(gymnasium.Env):  # type: ignore[misc]
    """Episodes of ten steps."""

    observation_space = gymnasium.spaces.Box(-1, 1, (4,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.left = 10
        return np.zeros(4, np.float32), {}

    def step(self, action: Any) -> Any:
        self.left -= 1
        return np.zeros(4, np.float32), 1.0, self.left == 0, False, {}


class Goals(gymnasium.Env):  # type: ignore[misc]
    """Observations in parts, with goals, as HER wants them."""

    _part = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    observation_space = gymnasium.spaces.Dict({"observation": _part, "achieved_goal": _part, "desired_goal": _part})
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def _observe(self) -> Any:
        return {name: np.zeros(2, np.float32) for name in self.observation_space.spaces}

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        return np.zeros(len(achieved), np.float32) if achieved.ndim > 1 else 0.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.left = 5
        return self._observe(), {}

    def step(self, action: Any) -> Any:
        self.left -= 1
        return self._observe(), 0.0, False, self.left == 0, {}


def ppo(**parameters: Any) -> Any:
    return PPO("MlpPolicy", Walk(), **{"n_steps": 16, "batch_size": 8, "n_epochs": 4, "device": "cpu", **parameters})


def dqn(cls: Any = DQN, **parameters: Any) -> Any:
    own = {"learning_starts": 10, "train_freq": 4, "gradient_steps": 2, "batch_size": 4, "buffer_size": 100}
    return cls("MlpPolicy", Walk(), **{**own, "device": "cpu", **parameters})


def counted() -> State:
    """The state, with what marks at rest have counted: that is told whenever a long phase ends."""
    sys.modules["_freezelab_agent.recorder"].recorder.tell_counts()
    return recording.state()


class Since:
    """What was counted since it was made."""

    def __init__(self) -> None:
        self._before = counted()

    def __getitem__(self, phase: str) -> int:
        before, now = self._before.phases.get(phase), counted().phases.get(phase)
        return (now.count if now else 0) - (before.count if before else 0)

    @property
    def optimizer_steps(self) -> int:
        return recording.state().optimizer_steps - self._before.optimizer_steps


class OnStep(BaseCallback):  # type: ignore[misc]
    """Calls a function at each step."""

    def __init__(self, function: Callable[[Any], object]) -> None:
        super().__init__()
        self.function = function

    def _on_step(self) -> bool:
        self.function(self)
        return True


def idle() -> State:
    """The state, with no phase left open."""
    state = recording.state()
    assert state.path == (), state.path
    return state


def an_update_that_stops_early() -> None:
    since = Since()
    model = ppo(target_kl=-1.0)  # the first minibatch is too far off already
    model.learn(32)
    assert idle().n_epochs == 4
    assert recording.state().epoch == 1
    assert (since["train"], since["epoch"], since["minibatch"], since["optimizer"]) == (2, 2, 2, 0)


def an_error_in_an_update_that_somebody_keeps() -> None:
    class Fails(RolloutBuffer):  # type: ignore[misc]
        fails = True

        def _get_samples(self, *args: Any, **kwargs: Any) -> Any:
            if self.fails:
                raise ValueError("bad sample")
            return super()._get_samples(*args, **kwargs)

    model = ppo(rollout_buffer_class=Fails)
    kept = []
    try:
        model.learn(16)
    except ValueError as error:
        kept.append(error)  # and with it the generator of the epoch, not closed yet
    idle()
    model.rollout_buffer.fails = False
    paths = []

    def let_go(callback: Any) -> None:
        kept.clear()
        paths.append(recording.state().path)

    since = Since()
    model.learn(16, callback=OnStep(let_go))
    assert set(paths) == {("learn", "collect", "callback")}, paths
    assert (since["train"], since["epoch"], since["minibatch"], since["learn"]) == (1, 4, 8, 1)
    idle()


def an_error_between_two_minibatches_that_somebody_keeps() -> None:
    model = ppo()
    optimizer = model.policy.optimizer
    step, kept = optimizer.step, []

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise ValueError("step")

    optimizer.step = fail
    try:
        model.learn(16)
    except ValueError as error:
        kept.append(error)
    idle()
    optimizer.step = step
    paths: set[tuple[str, ...]] = set()

    def let_go(callback: Any) -> None:
        kept.clear()
        paths.add(recording.state().path)

    model.learn(16, callback=OnStep(let_go))
    assert paths == {("learn", "collect", "callback")}, paths


def an_optimizer_step_that_fails() -> None:
    parameter = torch.nn.Parameter(torch.ones(1))

    class Fails(torch.optim.SGD):  # type: ignore[misc]
        fails = True

        def step(self, closure: Any = None) -> Any:
            if self.fails:
                raise ValueError("step")
            return super().step(closure)

    optimizer = Fails([parameter], lr=0.1)
    since = Since()
    with contextlib.suppress(ValueError):
        optimizer.step()
    idle()
    Fails.fails = False
    optimizer.step()
    assert since.optimizer_steps == 1
    idle()


def learning_in_a_callback_of_learning() -> None:
    inner = ppo(n_steps=8, n_epochs=1)
    outer = ppo()
    seen = []

    def learn_once(callback: Any) -> None:
        if callback.n_calls == 5:
            before = recording.state()
            inner.learn(8, callback=OnStep(lambda _: seen.append(recording.state())))
            after = recording.state()
            assert (before.step, after.step) == (5, 5)
            assert (after.total_steps, after.n_steps) == (16, 16)
            facts = recording.text("facts")
            assert facts is not None
            assert facts["total_timesteps"] == 16

    since = Since()
    outer.learn(16, callback=OnStep(learn_once))
    assert since["learn"] == 2
    assert {state.path for state in seen} == {("learn", "collect", "callback", "learn", "collect", "callback")}
    assert {(state.step, state.total_steps, state.n_steps) for state in seen} == {(n, 8, 8) for n in range(1, 9)}
    assert idle().step == 16


def learning_in_another_thread() -> None:
    since = Since()
    paths: set[tuple[str, ...]] = set()
    model = ppo()
    thread = threading.Thread(target=model.learn, args=(16, OnStep(lambda _: paths.add(recording.state().path))))
    thread.start()
    thread.join()
    assert paths == {("learn", "collect", "callback")}
    assert (since["train"], since["epoch"], since["minibatch"]) == (1, 4, 8)
    assert idle().step == 16


def two_threads_that_learn_at_once() -> None:
    first, second = ppo(), ppo(n_steps=8)
    ready, goes_on = threading.Event(), threading.Event()

    def wait(callback: Any) -> None:
        if callback.n_calls == 3:
            ready.set()
            goes_on.wait(30)
            state = recording.state()
            assert state.path == ("learn", "collect", "callback")
            assert (state.step, state.n_steps, state.total_steps) == (3, 16, 16), state

    since = Since()
    thread = threading.Thread(target=first.learn, args=(16, OnStep(wait)))
    thread.start()
    ready.wait(30)
    events = recording.state().events
    second.learn(8)
    assert recording.state().events > events
    goes_on.set()
    thread.join()
    # Only one thread's phases can be shown; the optimizer's steps are counted on both.
    assert (since["learn"], since["train"], since["epoch"]) == (1, 1, 4)
    assert since.optimizer_steps == 4 * 2 + 4 * 1
    assert idle().step == 16


def a_replay_buffer_that_is_sampled_outside_updates() -> None:
    model = dqn()
    minibatches = set()

    def look(callback: Any) -> None:
        if callback.n_calls > 4:
            before = recording.state().minibatch
            callback.model.replay_buffer.sample(2)
            minibatches.add(recording.state().minibatch - before)

    since = Since()
    model.learn(40, callback=OnStep(look))
    assert minibatches == {0}
    assert since["minibatch"] == since.optimizer_steps == 2 * since["train"]
    assert since["sample"] == since["minibatch"] + 36
    idle()


def two_samples_for_one_gradient_step() -> None:
    class Both(DQN):  # type: ignore[misc]
        def train(self, gradient_steps: int, batch_size: int = 100) -> None:
            for number in range(gradient_steps):
                self.replay_buffer.sample(batch_size)
                batch = self.replay_buffer.sample(batch_size)
                assert recording.state().minibatch == number + 1
                loss = self.q_net(batch.observations).mean()
                self.policy.optimizer.zero_grad()
                loss.backward()
                self.policy.optimizer.step()

    since = Since()
    dqn(Both, gradient_steps=3).learn(40)
    state = idle()
    assert (state.minibatch, state.n_minibatches, state.n_epochs, state.epoch) == (3, 3, 0, 0)
    assert since["minibatch"] == 3 * since["train"]
    assert since["sample"] == 6 * since["train"]


def an_algorithm_that_makes_more_passes_than_it_says() -> None:
    class More(PPO):  # type: ignore[misc]
        def train(self) -> None:
            for _ in range(6):
                for _ in self.rollout_buffer.get(8):
                    pass

    model = More("MlpPolicy", Walk(), n_steps=16, batch_size=8, n_epochs=4, device="cpu")
    model.learn(16)
    state = idle()
    # Their number is unknown, then.
    assert (state.epoch, state.n_epochs, state.minibatch, state.n_minibatches) == (6, 0, 2, 2)


def a_rollout_that_is_read_outside_an_update() -> None:
    model = ppo()
    model.learn(16)
    since = Since()
    assert len(list(model.rollout_buffer.get(8))) == 2
    assert (since["epoch"], since["minibatch"]) == (0, 0)
    idle()


def observations_in_parts_with_hindsight() -> None:
    from stable_baselines3 import HerReplayBuffer

    since = Since()
    model = SAC(
        "MultiInputPolicy", DummyVecEnv([Goals]), replay_buffer_class=HerReplayBuffer, learning_starts=15,
        batch_size=4, buffer_size=100, train_freq=5, gradient_steps=2, device="cpu", policy_kwargs={"net_arch": [8]},
    )  # fmt: skip
    model.learn(40)
    assert (since["env.step"], since["buffer.add"]) == (40, 40)
    assert since["minibatch"] == since["sample"] == 2 * since["train"]
    assert since.optimizer_steps == since["backward"] == 6 * since["train"]
    since = Since()
    PPO("MultiInputPolicy", Goals(), n_steps=10, batch_size=5, n_epochs=2, device="cpu").learn(10)
    assert (since["env.step"], since["epoch"], since["minibatch"]) == (10, 2, 4)
    idle()


def going_on_with_learning() -> None:
    model = ppo()
    model.learn(16)
    totals = set()
    model.learn(32, reset_num_timesteps=False, callback=OnStep(lambda _: totals.add(recording.state().total_steps)))
    assert totals == {48}
    assert idle().step == 48
    model.learn(1e2, callback=OnStep(lambda _: totals.add(recording.state().total_steps)))
    assert 100 in totals


def off_policy_after_on_policy() -> None:
    ppo().learn(16)
    assert recording.state().n_steps == 16
    dqn().learn(20)
    state = idle()
    assert (state.n_steps, state.epoch, state.n_epochs, state.n_minibatches) == (0, 0, 0, 2)


def environments_that_are_driven_by_hand() -> None:
    since = Since()
    env = Walk()
    env.reset()
    for _ in range(7):
        env.step(0)
    assert (since["env.step"], since["env.reset"]) == (7, 1)
    envs = DummyVecEnv([Walk, Walk])
    envs.reset()
    since = Since()
    for _ in range(5):
        envs.step_async(np.zeros(2, int))
        envs.step_wait()
    assert since["env.step"] == 5
    since = Since()
    many = gymnasium.vector.SyncVectorEnv([Walk, Walk])
    many.reset()
    for _ in range(6):
        many.step(np.zeros(2, int))
    assert since["env.step"] == 6


def saving_of_every_kind() -> None:
    since = Since()
    model = dqn()
    model.save(io.BytesIO())
    model.save_replay_buffer(io.BytesIO())
    model.policy.save(io.BytesIO())
    VecNormalize(DummyVecEnv([Walk])).save(str(Path(sys.argv[1]) / "normalize.pkl"))
    assert since["save"] == 4
    idle()


def a_loop_of_ones_own() -> None:
    network = torch.nn.Linear(4, 2)
    optimizer = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    scaler = torch.amp.GradScaler("cpu")
    env = Walk()
    observation, _ = env.reset()
    since = Since()
    for _ in range(9):
        observation, *_ = env.step(0)
        loss = network(torch.as_tensor(observation)).sum()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
    assert (since["env.step"], since["backward"], since["optimizer"], since.optimizer_steps) == (9, 9, 9, 9)
    since = Since()
    torch.autograd.backward(network(torch.ones(4)).sum())
    torch.autograd.grad(network(torch.ones(4)).sum(), network.weight)
    assert since["backward"] == 2
    since = Since()
    closing = torch.optim.LBFGS(network.parameters(), max_iter=2)
    calls = []

    def closure() -> Any:
        closing.zero_grad()
        loss = network(torch.ones(4)).pow(2).sum()
        loss.backward()
        calls.append(loss)
        return loss

    closing.step(closure)
    assert (since.optimizer_steps, since["backward"]) == (1, len(calls))


def a_training_without_callbacks() -> None:
    steps: list[int | None] = []
    updates: set[int | None] = set()

    class Told(Walk):
        def step(self, action: Any) -> Any:
            steps.append(recording.state().step)
            return super().step(action)

    class Adam(torch.optim.Adam):  # type: ignore[misc]
        def step(self, closure: Any = None) -> Any:
            updates.add(recording.state().step)
            return super().step(closure)

    model = PPO(
        "MlpPolicy", Told(), n_steps=16, batch_size=8, n_epochs=1, device="cpu", policy_kwargs={"optimizer_class": Adam}
    )
    since = Since()
    model.learn(160)
    assert steps == list(range(160)), steps
    assert updates == set(range(16, 161, 16)), updates
    assert idle().step == 160
    assert since["env.step"] == 160
    # Its rollouts begin and end, and so does the training: nobody is asked at its steps.
    assert since["callback"] == 22, since["callback"]


def a_function_for_a_callback() -> None:
    paths: set[tuple[str, ...]] = set()
    steps: list[int | None] = []

    def look(known: dict[str, Any], _: dict[str, Any]) -> bool:
        state = recording.state()
        paths.add(state.path)
        steps.append(state.step)
        assert state.step == known["self"].num_timesteps
        return len(steps) < 20

    ppo().learn(80, callback=look)
    assert paths == {("learn", "collect", "callback")}, paths
    assert steps == list(range(1, 21)), steps


def networks_that_are_looked_at_by_samples() -> None:
    passes = sys.modules["_freezelab_agent.samples"].passes
    marked: list[bool] = []

    class Look(BaseCallback):  # type: ignore[misc]
        def _on_rollout_start(self) -> None:
            marked.append(hasattr(ActorCriticPolicy.forward, "__wrapped__"))
            passes._next = 0  # as if much time had passed

        def _on_step(self) -> bool:
            return True

    passes.places.put_on()
    passes._next = 0
    model = PPO("MlpPolicy", Walk(), n_steps=128, batch_size=16, n_epochs=1, device="cpu", seed=1)
    since = Since()
    model.learn(128 * 8, callback=Look())
    assert not all(marked), marked
    on_again = marked.index(True, marked.index(False))
    assert False in marked[on_again:], marked
    assert since["policy"] < 128 * sum(marked) + 20, (since["policy"], marked)

    # Somebody has put another in its place: it stays.
    passes.places.put_on()
    own = ActorCriticPolicy.forward

    def theirs(*args: Any, **kwargs: Any) -> Any:
        return own(*args, **kwargs)

    ActorCriticPolicy.forward = theirs
    try:
        passes.places.take_off()
        assert ActorCriticPolicy.forward is theirs
        passes.places.put_on()
        assert ActorCriticPolicy.forward is theirs
    finally:
        ActorCriticPolicy.forward = own


def networks_that_are_compiled() -> None:
    passes = sys.modules["_freezelab_agent.samples"].passes
    passes.places.put_on()
    passes._next = 0

    class Mine(ActorCriticPolicy):  # type: ignore[misc]
        def forward(self, obs: Any, deterministic: bool = False) -> Any:
            return super().forward(obs, deterministic)

    for policy in ("MlpPolicy", Mine):
        model = PPO(policy, Walk(), n_steps=8, batch_size=8, n_epochs=1, device="cpu")
        observation = torch.zeros(1, 4)
        torch.compile(model.policy, backend="eager", fullgraph=True)(observation)
        torch.compile(model.policy.predict_values, backend="eager", fullgraph=True)(observation)
        torch.compile(model.policy.forward, backend="eager", fullgraph=True)(observation)
        model.policy = torch.compile(model.policy, backend="eager")
        model.learn(8)
    PPO("MlpPolicy", Walk(), n_steps=128, batch_size=16, n_epochs=1, device="cpu").learn(128 * 4)
    # What has been compiled with a mark would have to be compiled again without it.
    assert passes.places.on


SITUATIONS: tuple[Callable[[], object], ...] = (
    an_update_that_stops_early,
    an_error_in_an_update_that_somebody_keeps,
    an_error_between_two_minibatches_that_somebody_keeps,
    an_optimizer_step_that_fails,
    learning_in_a_callback_of_learning,
    learning_in_another_thread,
    two_threads_that_learn_at_once,
    a_replay_buffer_that_is_sampled_outside_updates,
    two_samples_for_one_gradient_step,
    an_algorithm_that_makes_more_passes_than_it_says,
    a_rollout_that_is_read_outside_an_update,
    observations_in_parts_with_hindsight,
    going_on_with_learning,
    off_policy_after_on_policy,
    environments_that_are_driven_by_hand,
    saving_of_every_kind,
    a_loop_of_ones_own,
    a_training_without_callbacks,
    a_function_for_a_callback,
    networks_that_are_looked_at_by_samples,
    networks_that_are_compiled,
)


def main() -> None:
    """Goes through all of them."""
    global recording
    (path,) = Path(sys.argv[1]).glob("*.bin")
    recording = FlightRecording(path)
    for situation in SITUATIONS:
        error = None
        try:
            situation()
        except Exception:  # noqa: BLE001
            error = traceback.format_exc()
        print(json.dumps({"situation": situation.__name__, "error": error}), flush=True)


if __name__ == "__main__":
    main()
