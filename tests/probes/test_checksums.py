"""Checksums of buffers: whatever a buffer's own methods do is silent, and one changed byte is found."""

# Buffers of three libraries' classes, made by name: no checker can follow that.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

import copy
import json
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer, MaskableRolloutBuffer
from sb3_contrib.common.recurrent.buffers import RecurrentDictRolloutBuffer, RecurrentRolloutBuffer
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.buffers import DictReplayBuffer, DictRolloutBuffer, ReplayBuffer, RolloutBuffer

from probes import fingerprint
from probes.agent.checks import aliasing, arrays, replay, rollouts
from probes.agent.checks.findings import Account, Findings
from probes.agent.checks.replay import Replays
from probes.agent.checks.rollouts import Rollouts

ROLLOUT_CLASSES = (
    RolloutBuffer,
    DictRolloutBuffer,
    MaskableRolloutBuffer,
    MaskableDictRolloutBuffer,
    RecurrentRolloutBuffer,
    RecurrentDictRolloutBuffer,
)
REPLAY_CLASSES = (ReplayBuffer, DictReplayBuffer, HerReplayBuffer)
EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
BOX = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
ACTIONS = {
    "discrete": gymnasium.spaces.Discrete(3),
    "box": gymnasium.spaces.Box(-1, 1, (2,), np.float32),
    "multi": gymnasium.spaces.MultiDiscrete([2, 3]),
    "binary": gymnasium.spaces.MultiBinary(2),
}
PLAIN_OBSERVATIONS = (
    BOX,
    gymnasium.spaces.Discrete(5),
    gymnasium.spaces.Box(0, 255, (2, 2, 1), np.uint8),
    gymnasium.spaces.Box(-1, 1, (1,), np.float64),
    gymnasium.spaces.MultiDiscrete([3, 2]),
)


@contextmanager
def watched() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Gives a function that tells what was found inside."""
    found = Findings()
    modules = (rollouts, replay, aliasing)
    kept = [module.findings for module in modules]
    for module in modules:
        module.findings = found  # type: ignore[attr-defined]
    try:
        yield lambda: list(found._found.values())
    finally:
        for module, old in zip(modules, kept, strict=True):
            module.findings = old  # type: ignore[attr-defined]


def unlimited(checks: Any) -> Any:
    """Checks that may cost what they like: no example is skipped."""
    for name, value in vars(checks).items():
        if isinstance(value, Account):
            setattr(checks, name, Account(share=1.0, credit_s=1e9))
    return checks


def drawn(rng: np.random.Generator, space: Any, count: int) -> Any:
    """As many values of a space; faster than its own ``sample``."""
    if isinstance(space, gymnasium.spaces.Dict):
        return {key: drawn(rng, part, count) for key, part in space.spaces.items()}
    if isinstance(space, gymnasium.spaces.Box):
        return (rng.random((count, *space.shape)) * (1 if space.dtype.kind == "f" else 255)).astype(space.dtype)
    return rng.integers(0, 2, (count, *space.shape), dtype=np.int64)


class Rollout:
    """A rollout buffer of random shape that is used as the algorithms use it."""

    def __init__(self, data: st.DataObject, kind: Any = None) -> None:
        self.data = data
        self.kind = kind or data.draw(st.sampled_from(ROLLOUT_CLASSES))
        self.steps = data.draw(st.integers(1, 70))
        self.envs = data.draw(st.integers(1, 8))
        self.rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
        plain = data.draw(st.sampled_from(PLAIN_OBSERVATIONS))
        dicts = issubclass(self.kind, DictRolloutBuffer)
        masked = "Maskable" in self.kind.__name__
        self.space = gymnasium.spaces.Dict({"price": BOX, "other": plain}) if dicts else plain
        names = ("discrete", "multi", "binary") if masked else tuple(ACTIONS)
        self.actions = ACTIONS[data.draw(st.sampled_from(names))]
        self.recurrent = "Recurrent" in self.kind.__name__
        self.hidden = (self.steps, data.draw(st.integers(1, 2)), self.envs, 3)
        more = (self.hidden,) if self.recurrent else ()
        self.buffer = self.kind(self.steps, self.space, self.actions, *more, n_envs=self.envs, device="cpu")
        self.masked = masked

    def observation(self) -> Any:
        return drawn(self.rng, self.space, self.envs)

    def fill(self) -> None:
        for _ in range(self.steps):
            actions = drawn(self.rng, self.actions, self.envs)
            row = [self.observation(), actions, self.numbers(), self.rng.random(self.envs) < 0.2]
            row += [torch.as_tensor(self.numbers()), torch.as_tensor(self.numbers())]
            more: dict[str, Any] = {}
            if self.recurrent:
                state = torch.as_tensor(self.rng.standard_normal((self.hidden[1], self.envs, 3)).astype(np.float32))
                more["lstm_states"] = RNNStates((state, state + 1), (state + 2, state + 3))
            if self.masked:
                more["action_masks"] = self.rng.random((self.envs, self.buffer.mask_dims)) < 0.5
            self.buffer.add(*row, **more)

    def numbers(self) -> np.ndarray:
        return self.rng.standard_normal(self.envs).astype(np.float32)

    def life(self, checks: Rollouts, harm: Callable[[str], None] = lambda moment: None) -> None:
        """A rollout and the update after it, with the checks where the marks call them."""
        checks.reset_begins(self.buffer)
        self.buffer.reset()
        self.fill()
        checks.filled(self.buffer)
        self.buffer.compute_returns_and_advantage(torch.as_tensor(self.numbers()), self.rng.random(self.envs) < 0.5)
        checks.advantages_computed(self.buffer)
        harm("advantages")
        batch = self.data.draw(st.none() | st.integers(1, self.steps * self.envs))
        for epoch in range(1, 4):
            checks.epoch_begins(self.buffer, epoch)
            items = self.buffer.get(batch)
            for _ in range(self.data.draw(st.integers(1, 3))):
                next(items, None)
            harm(f"epoch {epoch}")


@EXAMPLES
@given(st.data())
def test_what_a_rollout_buffer_does_itself_is_never_flagged(data: st.DataObject) -> None:
    with watched() as found:
        checks = unlimited(Rollouts(epochs=data.draw(st.booleans())))
        rollout = Rollout(data)

        def copy_it(moment: str) -> None:
            if data.draw(st.integers(0, 3)) == 0:
                copy.deepcopy(rollout.buffer)
                pickle.dumps([rollout.buffer.observations, rollout.buffer.rewards])
            if data.draw(st.integers(0, 5)) == 0:
                # A checkpoint read back: another object that goes on from there.
                rollout.buffer = copy.deepcopy(rollout.buffer)

        for _ in range(3):
            rollout.life(checks, copy_it)
        checks.learn_ends()
        assert found() == []


@EXAMPLES
@given(st.data())
def test_one_byte_that_changes_in_a_rollout_buffer_is_always_found_and_named(data: st.DataObject) -> None:
    with watched() as found:
        checks = unlimited(Rollouts(epochs=True))
        rollout = Rollout(data)
        moment = data.draw(st.sampled_from(["advantages", "epoch 1", "epoch 2", "epoch 3"]))
        flipped: list[tuple[str, int, int]] = []

        def flip(now: str) -> None:
            if now != moment:
                return
            candidates = {
                name: array
                for name, array in arrays.arrays_of(rollout.buffer, arrays.ROLLOUT_ARRAYS)
                # A single row that was computed anew can't be told from one that was overwritten.
                if rollout.steps * rollout.envs > 1 or name not in arrays.REWRITABLE
            }
            name = data.draw(st.sampled_from(sorted(candidates)))
            array = candidates[name]
            view = arrays.env_first(name, array, rollout.steps, rollout.envs)
            assert np.shares_memory(view, array)
            env, step = data.draw(st.integers(0, rollout.envs - 1)), data.draw(st.integers(0, rollout.steps - 1))
            flip_byte(view[env : env + 1, step : step + 1])
            flipped.append((name, env, step))

        rollout.life(checks, flip)
        checks.learn_ends()
        ((name, env, step),) = flipped
        (finding,) = found()
        assert (finding["kind"], finding["subject"]) == ("buffer-changed", name)
        (place,) = finding["places"]
        assert place["env"] == env
        assert place["rows"][0] <= step <= place["rows"][1]
        following = {"advantages": "epoch 1", "epoch 1": "epoch 2", "epoch 2": "epoch 3"}
        assert finding["after"] in (moment, "the " + moment)
        assert finding["before"] == following.get(moment, "the end of learning")


def flip_byte(place: Any) -> None:
    """Changes the lowest bit of the first byte."""
    data = bytearray(place.tobytes())
    data[0] ^= 1
    place[...] = np.frombuffer(bytes(data), place.dtype).reshape(place.shape)


class Replay:
    """A replay buffer of random shape that is used as the algorithms use it."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        kind = data.draw(st.sampled_from(REPLAY_CLASSES))
        self.envs = data.draw(st.integers(1, 8))
        self.rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
        size = self.envs * data.draw(st.integers(2, 150))
        self.lean = kind is ReplayBuffer and data.draw(st.booleans())
        self.her = kind is HerReplayBuffer
        goals = {"observation": BOX, "desired_goal": BOX, "achieved_goal": BOX}
        self.space: Any = (
            data.draw(st.sampled_from(PLAIN_OBSERVATIONS)) if kind is ReplayBuffer else gymnasium.spaces.Dict(goals)
        )
        self.actions = ACTIONS[data.draw(st.sampled_from(["discrete", "box"]))]
        options: dict[str, Any] = {"env": Goals()} if self.her else {}
        if self.lean:
            options = {"optimize_memory_usage": True, "handle_timeout_termination": False}
        self.buffer = kind(size, self.space, self.actions, n_envs=self.envs, device="cpu", **options)
        self.episode_ended = False

    def observation(self) -> Any:
        return drawn(self.rng, self.space, self.envs)

    def add(self, checks: Replays) -> None:
        ends = self.rng.random() < 0.2
        self.episode_ended |= bool(ends)
        self.buffer.add(
            self.observation(),
            self.observation(),
            drawn(self.rng, self.actions, self.envs),
            self.rng.standard_normal(self.envs).astype(np.float32),
            np.full(self.envs, ends),
            [{"TimeLimit.truncated": bool(self.rng.random() < 0.1)} for _ in range(self.envs)],
        )
        checks.adds[id(self.buffer)] = checks.adds.get(id(self.buffer), 0) + 1

    def sample(self, checks: Replays) -> None:
        checks.sampled(self.buffer)
        if self.buffer.size() > 1 and (not self.her or (self.buffer.ep_length > 0).any()):
            self.buffer.sample(4)


class Goals:
    """What HER asks an environment."""

    def env_method(self, name: str, achieved: Any, desired: Any, infos: Any, indices: Any = None) -> list[Any]:
        return [np.zeros(len(achieved), np.float32)]


@EXAMPLES
@given(st.data())
def test_what_a_replay_buffer_does_itself_is_never_flagged(data: st.DataObject) -> None:
    with watched() as found:
        checks = unlimited(Replays())
        replayed = [Replay(data) for _ in range(data.draw(st.integers(1, 2)))]
        for _ in range(data.draw(st.integers(1, 12))):
            one = data.draw(st.sampled_from(replayed))
            for _ in range(data.draw(st.integers(1, 60))):
                one.add(checks)
            act = data.draw(st.sampled_from(["sample", "samples", "reset", "relabel", "learn", "refill"]))
            if act in ("sample", "samples"):
                for _ in range(1 if act == "sample" else 5):
                    one.sample(checks)
            elif act == "reset" and not one.her:
                one.buffer.reset()
            elif act == "relabel":
                one.buffer.rewards *= 0.5
                one.sample(checks)
            elif act == "learn":
                # What stable-baselines3 does to a trajectory that was cut off.
                one.buffer.dones[one.buffer.pos - 1] = True
                checks.forget()
            elif act == "refill" and not one.her:
                # Demonstrations, written by hand: ``pos`` gives it away.
                for _, array in arrays.arrays_of(one.buffer, ("observations",)):
                    array[:2] = 0
                one.buffer.pos = (one.buffer.pos + 1) % one.buffer.buffer_size
        assert found() == []


@EXAMPLES
@given(st.data())
def test_one_byte_that_changes_in_a_replay_buffer_is_found_within_a_round(data: st.DataObject) -> None:
    with watched() as found:
        checks = unlimited(Replays())
        one = Replay(data)
        steps = one.buffer.buffer_size
        for _ in range(data.draw(st.integers(1, 2 * steps))):
            one.add(checks)
        rounds = 2 * steps // 8 + 2  # eight blocks, of a row or more, in a look
        for _ in range(rounds):
            checks.sampled(one.buffer)
        names = dict(arrays.arrays_of(one.buffer, arrays.REPLAY_ARRAYS))
        del names["rewards"]  # the young ones may be relabelled
        name = data.draw(st.sampled_from(sorted(names)))
        row = data.draw(st.integers(0, one.buffer.size() - 1))
        env = data.draw(st.integers(0, one.envs - 1))
        flip_byte(names[name][row : row + 1, env : env + 1])
        for _ in range(rounds):
            checks.sampled(one.buffer)
        (finding,) = found()
        assert (finding["kind"], finding["subject"]) == ("buffer-changed", name)
        (place,) = finding["places"]
        assert place["env"] == env
        assert place["rows"][0] <= row <= place["rows"][1]


@pytest.mark.parametrize(
    ("changed", "flagged"), [(slice(100, 101), True), (slice(None), False), (slice(-9, -5), False)]
)
def test_old_rewards_of_a_replay_buffer_change_only_by_corruption(changed: slice, flagged: bool) -> None:
    with watched() as found:
        checks = unlimited(Replays())
        buffer = ReplayBuffer(4096, BOX, ACTIONS["box"], device="cpu")
        buffer.rewards[:] = np.arange(4096).reshape(-1, 1)
        buffer.pos, buffer.full = 0, True
        for _ in range(50):
            checks.sampled(buffer)
        buffer.rewards[changed] += 1
        for _ in range(50):
            checks.sampled(buffer)
        assert bool(found()) is flagged


def filled_rollout(kind: Any = RolloutBuffer, steps: int = 64, envs: int = 2) -> Any:
    """A rollout buffer with random content."""
    buffer = kind(steps, BOX, ACTIONS["discrete"], n_envs=envs, device="cpu")
    rng = np.random.default_rng(1)
    for _ in range(steps):
        numbers = rng.standard_normal((4, envs)).astype(np.float32)
        observation = rng.standard_normal((envs, 3)).astype(np.float32)
        start = np.zeros(envs)
        buffer.add(
            observation, np.zeros((envs, 1)), numbers[0], start, torch.tensor(numbers[1]), torch.tensor(numbers[2])
        )
    return buffer


def compute(checks: Rollouts, buffer: Any) -> None:
    checks.filled(buffer)
    envs = buffer.n_envs
    buffer.compute_returns_and_advantage(torch.zeros(envs), np.zeros(envs))
    checks.advantages_computed(buffer)


@pytest.mark.parametrize("name", ["advantages", "returns", "values", "log_probs"])
def test_an_array_that_is_computed_anew_as_a_whole_is_meant(name: str) -> None:
    with watched() as found:
        checks, buffer = unlimited(Rollouts(epochs=True)), filled_rollout()
        compute(checks, buffer)
        getattr(buffer, name)[:] += 1
        checks.epoch_begins(buffer, 1)
        assert found() == []


def test_an_array_that_is_assigned_is_meant() -> None:
    with watched() as found:
        checks, buffer = unlimited(Rollouts(epochs=True)), filled_rollout()
        compute(checks, buffer)
        buffer.observations = buffer.observations + 1
        checks.epoch_begins(buffer, 1)
        assert found() == []


def test_rewards_that_a_callback_shapes_before_it_has_the_advantages_computed_again_are_meant() -> None:
    with watched() as found:
        checks, buffer = unlimited(Rollouts(epochs=True)), filled_rollout()
        compute(checks, buffer)
        buffer.rewards[3] += 1
        compute(checks, buffer)
        checks.epoch_begins(buffer, 1)
        assert found() == []


def test_a_class_with_writers_that_nobody_knows_is_left_alone() -> None:
    class Prioritised(RolloutBuffer):  # type: ignore[misc]  # the library is not followed
        def relabel(self) -> None:
            self.observations[3] += 1

    with watched() as found:
        checks, buffer = unlimited(Rollouts(epochs=True)), filled_rollout(Prioritised)
        compute(checks, buffer)
        buffer.relabel()
        checks.epoch_begins(buffer, 1)
        assert found() == []


def test_a_class_that_only_overrides_known_methods_is_watched() -> None:
    class Loud(RolloutBuffer):  # type: ignore[misc]  # the library is not followed
        def compute_returns_and_advantage(self, *args: Any, **kwargs: Any) -> None:
            super().compute_returns_and_advantage(*args, **kwargs)
            self.rewards[2:4] = 0  # while its own method runs it writes where it likes

    with watched() as found:
        checks, buffer = unlimited(Rollouts(epochs=True)), filled_rollout(Loud)
        compute(checks, buffer)
        checks.epoch_begins(buffer, 1)
        assert found() == []
        buffer.observations[3] += 1
        checks.epoch_begins(buffer, 2)
        (finding,) = found()
        assert finding["subject"] == "observations"


@pytest.mark.parametrize(("value", "counts"), [(np.nan, (1, 0)), (np.inf, (0, 1)), (-np.inf, (0, 1))])
def test_numbers_that_are_none_are_counted_and_placed(value: float, counts: tuple[int, int]) -> None:
    with watched() as found:
        checks, buffer = unlimited(Rollouts(epochs=True)), filled_rollout()
        buffer.values[5, 1] = value
        compute(checks, buffer)
        finding = next(item for item in found() if item["subject"] == "values")
        assert (finding["kind"], finding["nan"], finding["inf"]) == ("non-finite", *counts)
        assert (finding["env"], finding["row"]) == (1, 5)


def test_a_finding_is_told_once_and_counted_after_that() -> None:
    found = Findings()
    for _ in range(5):
        found.add("non-finite", "rewards", {"nan": 1})
    (finding,) = found._found.values()
    assert finding["times"] == 5
    for number in range(100):
        found.add("non-finite", f"array {number}", {})
    assert len(found._found) == 16


def test_an_account_holds_a_check_to_its_share() -> None:
    account = Account(share=0.1, credit_s=0.0)
    began, spent = time.process_time(), 0.0
    while time.process_time() - began < 0.3:
        if account.open():
            work(0.002)
            account.close()
            spent += 0.002
        else:
            work(0.001)
    assert 0.005 < spent < 0.06


def test_an_account_counts_no_time_for_which_the_run_had_to_wait() -> None:
    account = Account(share=0.5, credit_s=0.0)
    assert account.open()
    work(0.02)
    account.close()
    time.sleep(0.2)
    assert not account.open()


def work(seconds: float) -> None:
    """Takes so much processor time."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_a_look_at_a_large_replay_buffer_is_bounded() -> None:
    checks = unlimited(Replays())
    buffer = ReplayBuffer(200_000, gymnasium.spaces.Box(-1, 1, (50,), np.float32), ACTIONS["box"], device="cpu")
    buffer.pos, buffer.full = 7, True
    checks.sampled(buffer)
    began = time.perf_counter()
    for _ in range(20):
        checks.sampled(buffer)
    # 92 MB in all; 20 looks of about 0.3 MB each.
    assert time.perf_counter() - began < 0.2
    assert sum(array.nbytes for array in (buffer.observations, buffer.next_observations)) > 70e6


def line(number: int, **arrays_of_run: str) -> str:
    row = {"rollout": number, "step": 64 * number, "rows": 8, "steps": 64, "envs": 2, "group": 1}
    return json.dumps({**row, "arrays": arrays_of_run})


def written(folder: Path, *lines: str) -> list[fingerprint.Rollout]:
    folder.mkdir()
    (folder / "fingerprint-7.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return fingerprint.read(folder)


def test_fingerprints_differ_first_in_the_array_that_comes_first_in_a_step(tmp_path: Path) -> None:
    same = "0" * 8 * 16
    other = same[: 8 * 9] + "f" * 8 + same[8 * 10 :]
    one = written(tmp_path / "a", line(1, rewards=same, actions=same), line(2, rewards=same, actions=same))
    two = written(tmp_path / "b", line(1, rewards=same, actions=same), line(2, rewards=other, actions=other))
    assert fingerprint.compare(one, one) is None
    difference = fingerprint.compare(one, two)
    assert difference == fingerprint.Difference(2, 128, "actions", 1, (8, 15))
    assert difference is not None
    assert difference.says == "the runs first differ in rollout 2 (step 128): actions, rows 8..15 (env 1)"


def test_a_run_that_stopped_earlier_differs_from_there_on(tmp_path: Path) -> None:
    same = "0" * 8 * 16
    one = written(tmp_path / "a", line(1, rewards=same), line(2, rewards=same))
    assert fingerprint.compare(one, one[:1]) == fingerprint.Difference(2, 128, None)


@given(st.lists(st.text() | st.just('{"rollout": 1}') | st.just("[]") | st.just(line(1, rewards="00"))))
@settings(suppress_health_check=list(HealthCheck))
def test_lines_that_make_no_sense_are_passed_over(tmp_path_factory: Any, lines: list[str]) -> None:
    folder = tmp_path_factory.mktemp("flight")
    (folder / "fingerprint-1.jsonl").write_text("\n".join(lines), encoding="utf-8", errors="replace")
    assert all(rollout.arrays == {"rewards": ("00",)} for rollout in fingerprint.read(folder))
    assert fingerprint.read(folder / "missing") == []
