"""Corruption planted in real trainings, each with a healthy twin; and what is said of it in the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from probes import fingerprint
from probes.diagnosis import Diagnosis
from probes.verdicts import Verdict
from probes.watch import Status, WatchOptions, watch

if TYPE_CHECKING:
    from tests.probes.conftest import Agent, Write

# Environments and buffers that one script trains on, again and again: importing torch is what takes time.
PRELUDE = """
import ctypes, json, sys
import gymnasium, numpy as np, torch
from gymnasium import spaces
from sb3_contrib import MaskablePPO, RecurrentPPO, TRPO
from stable_baselines3 import A2C, DQN, PPO, SAC, HerReplayBuffer
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.envs import BitFlippingEnv
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize

torch.set_num_threads(1)
BOX = spaces.Box(-np.inf, np.inf, (4,), np.float32)


class Market(gymnasium.Env):
    # `reuse`: hands out one and the same array. `limit`: episodes are cut off, not ended.
    def __init__(self, observations=BOX, actions=None, reuse=False, limit=True, seed=1, bad=None):
        self.observation_space, self.action_space = observations, actions or spaces.Discrete(3)
        self.rng = np.random.default_rng(seed)
        self.reuse, self.limit, self.bad = reuse, limit, bad
        self.kept = np.zeros(observations.shape or (), observations.dtype) if reuse else None
        self.steps = 0

    def observe(self, space):
        if isinstance(space, spaces.Dict):
            return {key: self.observe(part) for key, part in space.spaces.items()}
        if isinstance(space, spaces.Discrete):
            return int(self.rng.integers(space.n))
        value = self.rng.standard_normal(space.shape).astype(space.dtype)
        if not self.reuse:
            return value
        self.kept[...] = value
        return self.kept

    def reset(self, *, seed=None, options=None):
        self.left = 15
        return self.observe(self.observation_space), {}

    def step(self, action):
        self.left -= 1
        self.steps += 1
        over = self.left == 0
        reward = float(self.rng.standard_normal())
        if self.steps == self.bad:
            reward = float("nan")
        return self.observe(self.observation_space), reward, over and not self.limit, over and self.limit, {}

    def action_masks(self):
        mask = self.rng.random(3) < 0.6
        mask[0] = True
        return mask


def envs(count=2, kind=DummyVecEnv, **options):
    return kind([lambda seed=seed: Market(seed=seed, **options) for seed in range(count)])


class HandsOutItsOwn(DummyVecEnv):
    def _obs_from_buf(self):
        return self.buf_obs[None]


class Does(BaseCallback):
    def __init__(self, on_step=None, on_end=None):
        super().__init__()
        self.step_does, self.end_does = on_step, on_end

    def _on_step(self):
        if self.step_does:
            self.step_does(self.model)
        return True

    def _on_rollout_end(self):
        if self.end_does:
            self.end_does(self.model)


SMALL = {"seed": 1, "device": "cpu"}
UPDATES = {**SMALL, "n_steps": 64, "batch_size": 32, "n_epochs": 3}


def ppo(env=None, callback=None, policy="MlpPolicy", kind=PPO, steps=256, **more):
    model = kind(policy, env or envs(), **{**UPDATES, **more})
    return model.learn(steps, callback=callback)


def recurrent(env=None, callback=None, policy="MlpLstmPolicy", steps=256, **more):
    kwargs = {"lstm_hidden_size": 8, **more.pop("policy_kwargs", {})}
    return ppo(env, callback, policy, RecurrentPPO, steps, policy_kwargs=kwargs, **more)


def dqn(env=None, callback=None, steps=600, **more):
    options = {**SMALL, "learning_starts": 50, "buffer_size": 400, "train_freq": 2, **more}
    return DQN(options.pop("policy", "MlpPolicy"), env or envs(), **options).learn(steps, callback=callback)


def attribute(name, rows, by):
    def write(model):
        getattr(model.rollout_buffer, name)[rows] += by
    return write


SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def run(names):
    checks = sys.modules["_freezelab_agent.checks"]
    findings = sys.modules["_freezelab_agent.checks.findings"].findings
    results = {}
    for name in names:
        findings._found.clear()
        checks.of_aliasing.__init__()
        checks.of_semantics.__init__()
        accounts = [checks.of_rollouts.account, checks.of_rollouts.epoch_account]
        for account in [*accounts, checks.of_replays.account, checks.of_semantics.account]:
            account._credit_ns = 10**12
        ended = None
        try:
            SCENARIOS[name]()
        except Exception as error:
            ended = repr(error)
        asked = checks.of_semantics.asked
        results[name] = {"found": list(findings._found.values()), "asked": asked, "ended": ended}
    print(json.dumps(results))
"""

HEALTHY = """
@scenario
def ppo_discrete():
    ppo()

@scenario
def ppo_box_actions():
    ppo(envs(actions=spaces.Box(-1, 1, (2,), np.float32)))

@scenario
def ppo_multi_discrete_actions():
    ppo(envs(actions=spaces.MultiDiscrete([2, 3])))

@scenario
def ppo_multi_binary_actions():
    ppo(envs(actions=spaces.MultiBinary(2)))

@scenario
def ppo_discrete_observations():
    ppo(envs(observations=spaces.Discrete(5)))

@scenario
def ppo_dict_observations():
    ppo(envs(observations=spaces.Dict({"a": BOX, "b": spaces.Discrete(3)})), policy="MultiInputPolicy")

@scenario
def ppo_images():
    ppo(envs(observations=spaces.Box(0, 255, (36, 36, 1), np.uint8)), policy="CnnPolicy", steps=128, n_epochs=1)

@scenario
def ppo_separate_extractors():
    ppo(policy_kwargs={"share_features_extractor": False})

@scenario
def ppo_one_env():
    ppo(envs(1))

@scenario
def ppo_normalised():
    ppo(VecNormalize(envs()))

@scenario
def ppo_stacked_frames():
    ppo(VecFrameStack(envs(), 2))

@scenario
def ppo_explores_by_state():
    ppo(envs(actions=spaces.Box(-1, 1, (2,), np.float32)), use_sde=True)

@scenario
def a2c():
    A2C("MlpPolicy", envs(), **SMALL).learn(300)

@scenario
def trpo():
    TRPO("MlpPolicy", envs(), n_steps=64, batch_size=32, **SMALL).learn(256)

@scenario
def masked():
    ppo(envs(1), kind=MaskablePPO)

@scenario
def recurrent_two_envs():
    recurrent()

@scenario
def recurrent_one_env_two_layers():
    recurrent(envs(1), policy_kwargs={"n_lstm_layers": 2})

@scenario
def recurrent_shared():
    recurrent(policy_kwargs={"shared_lstm": True, "enable_critic_lstm": False})

@scenario
def recurrent_no_critic():
    recurrent(policy_kwargs={"enable_critic_lstm": False})

@scenario
def recurrent_dict():
    recurrent(envs(observations=spaces.Dict({"a": BOX})), policy="MultiInputLstmPolicy")

@scenario
def dqn_plain():
    dqn()

@scenario
def dqn_optimised_memory():
    options = {"handle_timeout_termination": False}
    dqn(optimize_memory_usage=True, replay_buffer_kwargs=options)

@scenario
def dqn_dict():
    dqn(envs(observations=spaces.Dict({"a": BOX})), policy="MultiInputPolicy")

@scenario
def dqn_hindsight():
    env = DummyVecEnv([lambda: BitFlippingEnv(n_bits=4, continuous=False, max_steps=4)])
    dqn(env, policy="MultiInputPolicy", replay_buffer_class=HerReplayBuffer, steps=400)

@scenario
def sac():
    box = spaces.Box(-1, 1, (2,), np.float32)
    SAC("MlpPolicy", envs(actions=box), learning_starts=50, buffer_size=100, **SMALL).learn(160)

@scenario
def learning_goes_on():
    model = ppo()
    model.learn(128, reset_num_timesteps=False)
    model = dqn()
    model.learn(200, reset_num_timesteps=False)

@scenario
def intrinsic_rewards():
    def shape(model):
        model.rollout_buffer.advantages += 0.5
        model.rollout_buffer.returns += 0.5
    ppo(callback=CallbackList([Does(on_end=shape)]))

@scenario
def rewards_shaped_and_advantages_computed_again():
    def shape(model):
        model.rollout_buffer.rewards[3:9] += 1
        model.rollout_buffer.compute_returns_and_advantage(torch.zeros(2), np.zeros(2))
    ppo(callback=Does(on_end=shape))

@scenario
def rewards_shaped_at_each_step():
    def shape(model):
        if model.rollout_buffer.pos:
            model.rollout_buffer.rewards[model.rollout_buffer.pos - 1] += 1
    ppo(callback=Does(on_step=shape))

@scenario
def weights_replaced_before_the_update():
    def replace(model):
        for weights in model.policy.parameters():
            weights.data.mul_(0.5)
    ppo(callback=Does(on_end=replace))

class Extractor(BaseFeaturesExtractor):
    # Noise, dropout, a running mean, the whole batch's mean and a count: all that makes answers incomparable.
    def __init__(self, space, noise=0.0, batch=False):
        super().__init__(space, 4)
        self.drop = torch.nn.Dropout(0.5)
        self.register_buffer("mean", torch.zeros(4))
        self.noise, self.batch, self.count = noise, batch, [0]

    def forward(self, x):
        self.count[0] += 1
        if self.batch:
            x = x - x.mean(0)
        return self.drop(x) + self.noise * torch.randn_like(x)

@scenario
def a_noisy_network():
    ppo(policy_kwargs={"features_extractor_class": Extractor, "features_extractor_kwargs": {"noise": 1.0}})

@scenario
def a_network_that_looks_at_its_batch():
    ppo(policy_kwargs={"features_extractor_class": Extractor, "features_extractor_kwargs": {"batch": True}})

class Remembers(Extractor):
    def forward(self, x):
        self.count[0] += 1
        return x + self.count[0] % 7

@scenario
def a_network_that_remembers():
    ppo(policy_kwargs={"features_extractor_class": Remembers})

@scenario
def an_env_that_reuses_its_array_but_ends_its_episodes():
    ppo(envs(reuse=True, limit=False))

@scenario
def infinite_observations_that_the_network_bears():
    class Bears(BaseFeaturesExtractor):
        def __init__(self, space):
            super().__init__(space, 4)
        def forward(self, x):
            return torch.nan_to_num(x, posinf=1.0)
    class Missing(Market):
        def observe(self, space):
            value = super().observe(space)
            value[0] = np.inf
            return value
    ppo(DummyVecEnv([Missing]), policy_kwargs={"features_extractor_class": Bears})

class RecomputesValues(PPO):
    def train(self):
        super().train()
        self.rollout_buffer.values[:9] += 1

@scenario
def an_update_of_the_users():
    ppo(kind=RecomputesValues)

class Prioritised(RolloutBuffer):
    def add(self, *args, **kwargs):
        super().add(*args, **kwargs)
        if self.pos > 3:
            self.rewards[self.pos - 3] *= 0.5

@scenario
def a_buffer_of_the_users():
    ppo(rollout_buffer_class=Prioritised)
"""

CORRUPT = """
@scenario
def callback_writes_observations():
    ppo(callback=CallbackList([Does(), Does(on_end=attribute("observations", slice(10, 20), 0.5))]))

@scenario
def callback_writes_advantages():
    ppo(callback=Does(on_end=attribute("advantages", 7, 100)))

@scenario
def callback_writes_while_collecting():
    def write(model):
        if model.rollout_buffer.pos == 40:
            model.rollout_buffer.observations[:30] += 0.5
    ppo(callback=Does(on_step=write))

@scenario
def optimizer_hook_writes_between_epochs():
    model = PPO("MlpPolicy", envs(), **UPDATES)
    done = []
    def write(optimizer, args, kwargs):
        done.append(1)
        if len(done) == 6:
            model.rollout_buffer.observations[100] += 1
    model.policy.optimizer.register_step_post_hook(write)
    model.learn(128)

@scenario
def optimizer_hook_writes_what_ends_the_update():
    model = PPO("MlpPolicy", envs(), **UPDATES)
    def write(optimizer, args, kwargs):
        model.rollout_buffer.actions[100:110] = 99
    model.policy.optimizer.register_step_post_hook(write)
    model.learn(128)

@scenario
def native_write_past_the_end():
    mine = np.zeros(4, np.float32)
    def write(model):
        theirs = model.rollout_buffer.log_probs
        distance = theirs.ctypes.data + theirs[9].nbytes * 9 - mine.ctypes.data
        ctypes.memset(mine.ctypes.data + distance, 0x41, 4)
    ppo(callback=Does(on_end=write))

@scenario
def env_reuses_its_array():
    ppo(envs(reuse=True))

@scenario
def env_reuses_its_array_off_policy():
    dqn(envs(reuse=True))

@scenario
def vec_env_hands_out_its_own():
    ppo(envs(kind=HandsOutItsOwn))

@scenario
def vec_env_hands_out_its_own_off_policy():
    dqn(envs(kind=HandsOutItsOwn))

@scenario
def nan_reward():
    ppo(envs(1, bad=50))

@scenario
def nan_reward_off_policy():
    dqn(envs(1, bad=50))

@scenario
def lstm_states_written():
    recurrent(callback=Does(on_end=attribute("cell_states_pi", slice(3, 5), 0.3)))

@scenario
def lstm_states_replaced():
    def write(model):
        model.rollout_buffer.hidden_states_vf = model.rollout_buffer.hidden_states_vf + 0.3
    recurrent(callback=Does(on_end=write))

@scenario
def masked_observations_written():
    ppo(envs(1), kind=MaskablePPO, callback=Does(on_end=attribute("observations", slice(3, 5), 0.3)))

@scenario
def dict_observations_written():
    def write(model):
        model.rollout_buffer.observations["a"][5] += 1
    space = spaces.Dict({"a": BOX, "b": spaces.Discrete(3)})
    ppo(envs(observations=space), policy="MultiInputPolicy", callback=Does(on_end=write))

@scenario
def replay_written():
    def write(model):
        if model.num_timesteps == 300:
            model.replay_buffer.observations[20, 1, 2] += 1
    dqn(callback=Does(on_step=write))
"""

FOUND = {
    "callback_writes_observations": {("buffer-changed", "observations"), ("semantic-mismatch", "values")},
    "callback_writes_advantages": {("buffer-changed", "advantages")},
    "callback_writes_while_collecting": {("semantic-mismatch", "values")},
    "optimizer_hook_writes_between_epochs": {("buffer-changed", "observations")},
    "optimizer_hook_writes_what_ends_the_update": {("buffer-changed", "actions")},
    "native_write_past_the_end": {("buffer-changed", "log_probs")},
    "env_reuses_its_array": {("aliased-observation", "terminal_observation")},
    "env_reuses_its_array_off_policy": {("aliased-observation", "terminal_observation")},
    "vec_env_hands_out_its_own": {("aliased-observation", "observation"), ("semantic-mismatch", "values")},
    "vec_env_hands_out_its_own_off_policy": {("aliased-observation", "observation")},
    "nan_reward": {("non-finite", "rewards")},
    "nan_reward_off_policy": {("non-finite", "rewards")},
    "lstm_states_written": {("buffer-changed", "cell_states_pi")},
    "lstm_states_replaced": {("semantic-mismatch", "hidden_states_vf")},
    "masked_observations_written": {("buffer-changed", "observations")},
    "dict_observations_written": {("buffer-changed", "observations[a]")},
    "replay_written": {("buffer-changed", "observations")},
}
"""What each must be found by; more may follow from it."""
SILENT = ("ppo_explores_by_state", "weights_replaced_before_the_update", "a_buffer_of_the_users")
"""Where the policy is not asked, in doubt."""


def _run(agent: Agent, script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script that trains many times over, on a machine that may be busy."""
    return subprocess.run(
        [sys.executable, os.fspath(script), *arguments],
        env=agent.environment(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All scenarios, in two processes side by side."""
    from tests.probes.conftest import Agent

    def run(name: str, scenarios: str) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp(name)
        (folder / "flight").mkdir()
        script = folder / "scenarios.py"
        script.write_text(PRELUDE + scenarios + "\nrun(list(SCENARIOS))\n", encoding="utf-8")
        agent = Agent(folder / "flight")
        ended = _run(agent, script)
        assert ended.returncode == 0, ended.stderr[-3000:]
        assert agent.recording().text("faults") is None
        value: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return value

    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(run, ("healthy", "corrupt"), (HEALTHY, CORRUPT)))
    return {**halves[0], **halves[1]}


def names(scenarios: str) -> list[str]:
    lines = scenarios.splitlines()
    return [
        line[4 : line.index("(")] for before, line in zip(["", *lines], lines, strict=False) if before == "@scenario"
    ]


@pytest.mark.parametrize("name", names(HEALTHY))
def test_a_healthy_training_is_never_flagged(results: dict[str, Any], name: str) -> None:
    result = results[name]
    assert result["ended"] is None
    harmless = [("non-finite", "observations")] if name.startswith("infinite") else []
    assert [(item["kind"], item["subject"]) for item in result["found"]] == harmless, result["found"]
    off_policy = name.startswith(("dqn", "sac"))
    assert bool(result["asked"]) is not (off_policy or name in SILENT)


@pytest.mark.parametrize("name", sorted(FOUND))
def test_planted_corruption_is_found(results: dict[str, Any], name: str) -> None:
    found = {(item["kind"], item["subject"]) for item in results[name]["found"]}
    assert found >= FOUND[name], results[name]


def finding(results: dict[str, Any], scenario: str, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in results[scenario]["found"] if item["kind"] == kind)
    return found


def test_a_finding_names_rows_environment_and_time_window(results: dict[str, Any]) -> None:
    changed = finding(results, "optimizer_hook_writes_between_epochs", "buffer-changed")
    # Row 100 of 2 x 64 in the flattened array is row 36 of the second environment.
    assert changed["places"] == [{"env": 1, "rows": [36, 37]}]
    assert (changed["after"], changed["before"], changed["step"]) == ("epoch 2", "epoch 3", 128)
    written = finding(results, "callback_writes_observations", "buffer-changed")
    assert written["places"] == [{"env": env, "rows": [10, 19]} for env in (0, 1)]
    assert written["writer"]["function"] == "Does._on_rollout_end"
    replayed = finding(results, "replay_written", "buffer-changed")
    (place,) = replayed["places"]
    assert place["env"] == 1
    assert place["rows"][0] <= 20 <= place["rows"][1]


def test_a_finding_names_what_is_aliased(results: dict[str, Any]) -> None:
    terminal = finding(results, "env_reuses_its_array", "aliased-observation")
    assert (terminal["class"], terminal["array"], terminal["env"]) == ("Market", "observations", 0)
    handed = finding(results, "vec_env_hands_out_its_own", "aliased-observation")
    assert (handed["class"], handed["array"]) == ("HandsOutItsOwn", "observations")


TRAIN = """
from stable_baselines3 import DQN, PPO
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
import hashlib, random, sys
import numpy as np, torch
torch.set_num_threads(1)

class Drops(BaseFeaturesExtractor):
    # What asking the policy must not touch: dropout's generator, a buffer, plain state.
    def __init__(self, space):
        super().__init__(space, 4)
        self.drop = torch.nn.Dropout(0.3)
        self.register_buffer("seen", torch.zeros(1))
        self.count = 0

    def forward(self, x):
        self.seen += 1
        self.count += 1
        return self.drop(x) + 0.01 * self.count

kwargs = {"seed": int(sys.argv[1]), "device": "cpu"}
small = {"n_steps": 128, "batch_size": 64, "n_epochs": 2}
digest = hashlib.sha256()
for model in (
    PPO("MlpPolicy", "CartPole-v1", **small, **kwargs),
    PPO("MlpPolicy", "CartPole-v1", policy_kwargs={"features_extractor_class": Drops}, **small, **kwargs),
    RecurrentPPO("MlpLstmPolicy", "CartPole-v1", policy_kwargs={"lstm_hidden_size": 8}, **small, **kwargs),
    DQN("MlpPolicy", "CartPole-v1", learning_starts=50, **kwargs),
):
    model.learn(384)
    for tensor in model.policy.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    if model.policy_class.__name__ == "ActorCriticPolicy":
        digest.update(str(getattr(model.policy.features_extractor, "count", 0)).encode())
for state in (torch.get_rng_state().numpy().tobytes(), np.random.get_state()[1].tobytes(), str(random.getstate())):
    digest.update(state if isinstance(state, bytes) else state.encode())
print(digest.hexdigest())
"""


def test_weights_and_generators_are_bit_identical_and_fingerprints_tell_runs_apart(
    tmp_path: Path, write: Write, agent: Agent
) -> None:
    script = write(TRAIN)
    digests = {}
    runs = {}

    def run(name: str, seed: int, mode: str | None) -> None:
        from tests.probes.conftest import Agent

        one = Agent(tmp_path / name)
        one.flight.mkdir()
        environment = {} if mode is None else {"FREEZELAB_CHECKSUMS": mode}
        ended = _run(one, script, str(seed), **environment)
        assert ended.returncode == 0, ended.stderr[-2000:]
        digests[name] = ended.stdout.split()[-1]
        runs[name] = fingerprint.read(one.flight)
        assert one.recording().text("faults") is None
        assert one.recording().text("corruption") is None

    with ThreadPoolExecutor(2) as pool:
        jobs = {"off": (1, "off"), "rollout": (1, "rollout"), "epoch": (1, None), "other": (2, "epoch")}
        for done in [pool.submit(run, name, *job) for name, job in jobs.items()]:
            done.result()
    assert digests["off"] == digests["rollout"] == digests["epoch"] != digests["other"]
    assert runs["off"] == []
    assert [rollout.number for rollout in runs["epoch"]] == list(range(1, 10))
    assert fingerprint.compare(runs["rollout"], runs["epoch"]) is None
    difference = fingerprint.compare(runs["epoch"], runs["other"])
    assert difference is not None
    assert (difference.rollout, difference.step, difference.array) == (1, 128, "observations")


CRASHES = """
@scenario
def main():
    def write(model):
        # Out of the action space: the update fails on it.
        model.rollout_buffer.actions[5] = 99
    ppo(callback=Does(on_end=write))

SCENARIOS["main"]()
"""
ENDINGS = {
    "healthy": "ppo(steps=512)\n",
    "callback": "ppo(callback=Does(on_end=attribute('observations', slice(10, 20), 0.5)), steps=512)\n",
    "exception": textwrap.dedent(CRASHES),
    "nan": "ppo(envs(1, bad=50), steps=512)\n",
    "aliased": (
        "import time\nppo(envs(kind=HandsOutItsOwn), callback=Does(on_step=lambda _: time.sleep(0.01)), steps=512)\n"
    ),
}


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Diagnosis, list[Status]]]:
    """Each of ``ENDINGS`` under watch, two side by side."""

    def run(name: str) -> tuple[Diagnosis, list[Status]]:
        folder = tmp_path_factory.mktemp(name)
        script = folder / "train.py"
        script.write_text(PRELUDE + ENDINGS[name], encoding="utf-8")
        statuses: list[Status] = []
        options = WatchOptions(
            out=folder / "run", env={"OMP_NUM_THREADS": "1"}, stdin_null=True, on_status=statuses.append, limit_s=60
        )
        return watch([sys.executable, os.fspath(script)], options), statuses

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(ENDINGS, pool.map(run, ENDINGS), strict=True))


def test_a_healthy_run_is_called_healthy(endings: dict[str, tuple[Diagnosis, list[Status]]]) -> None:
    diagnosis, _ = endings["healthy"]
    assert diagnosis.verdict is Verdict.HEALTHY, diagnosis.summary


@pytest.mark.parametrize(
    ("name", "kind", "phase", "function"),
    [
        ("callback", "buffer-changed", "callback", "_on_rollout_end"),
        ("exception", "buffer-changed", "callback", "_on_rollout_end"),
        ("nan", "non-finite", "collect", "step"),
        ("aliased", "aliased-observation", "collect", "step_wait"),
    ],
)
def test_corruption_is_the_verdict_however_the_run_ends(
    endings: dict[str, tuple[Diagnosis, list[Status]]], name: str, kind: str, phase: str, function: str | None
) -> None:
    diagnosis, _ = endings[name]
    assert diagnosis.verdict is Verdict.CORRUPTION, diagnosis.summary
    assert diagnosis.phase == phase, diagnosis.summary
    assert (diagnosis.culprit.function if diagnosis.culprit else None) == function
    assert diagnosis.step is not None
    assert diagnosis.step <= 128
    (evidence,) = [item for item in diagnosis.evidence if item.kind == kind]
    assert evidence.supports == (Verdict.CORRUPTION,)
    assert evidence.says in diagnosis.summary
    assert diagnosis.confidence > 0.9
    ended_badly = any(item.kind == "uncaught-exception" for item in diagnosis.evidence)
    assert ended_badly is (name in ("exception", "nan"))


def test_what_is_found_is_said_as_a_sentence(endings: dict[str, tuple[Diagnosis, list[Status]]]) -> None:
    evidence = {item.kind: item.says for item in endings["callback"][0].evidence}
    assert evidence["buffer-changed"].startswith(
        "rows 10..19 (env 0), rows 10..19 (env 1) of observations changed while Does._on_rollout_end ran at step 128, "
        "which is no writer of the buffer's own"
    )


def test_corruption_is_told_while_the_run_lives(endings: dict[str, tuple[Diagnosis, list[Status]]]) -> None:
    diagnosis, statuses = endings["aliased"]
    told = [status for status in statuses if status.diagnosis is not None]
    assert len(told) == 1
    assert told[0].diagnosis is not None
    assert told[0].diagnosis.verdict is Verdict.CORRUPTION
    assert told[0].elapsed_s < diagnosis.timing.observed_s
    assert told[0].suspicious
