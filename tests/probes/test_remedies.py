"""Remedies in real processes: what each one changes, what it leaves alone, and that it tells the truth of itself."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from probes import remedies
from probes.agent.remedies import MODULES, VARIABLE, eval_step_limit
from probes.causes import CAUSES
from probes.remedies import REMEDIES, UnknownRemedyError, choose, choose_all, told
from probes.system import cgroup

if TYPE_CHECKING:
    from tests.probes.conftest import Agent, Write


class Trained:
    """A process that ran with remedies."""

    def __init__(self, said: Any, told_of: dict[str, remedies.Told]) -> None:
        self.said = said
        """The JSON of its last line."""
        self.told = told_of

    def state(self, remedy_id: str) -> str:
        return self.told[remedy_id].state


@pytest.fixture
def run(agent: Agent, write: Write) -> Any:
    """Runs a script under the agent with remedies; the script prints JSON as its last line."""

    def run_script(text: str, words: str, python: str | Path = sys.executable, **more: str) -> Trained:
        for path in agent.flight.glob("*"):
            path.unlink()
        done = subprocess.run(
            [str(python), str(write(text))],
            env={**agent.environment(**more), VARIABLE: words},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return Trained(json.loads(done.stdout.splitlines()[-1]), {item.id: item for item in told(agent.flight)})

    return run_script


# What there is, and how it is asked for.


def test_each_remedy_says_what_it_changes_and_how_results_differ() -> None:
    assert [remedy.id for remedy in REMEDIES] == list(MODULES)
    for remedy in REMEDIES:
        assert not remedy.changes.endswith(".")
        assert remedy.results.endswith(".")
        assert remedy.parameter is None or remedy.parameter.default or remedy.parameter.found


def test_remedies_cure_causes_that_exist() -> None:
    known = {cause.id for cause in CAUSES}
    for remedy in REMEDIES:
        assert set(remedy.cures) <= known
    assert [remedy.id for remedy in remedies.curing("recurrent-update-loop")] == ["fused-lstm"]
    assert remedies.curing(None) == ()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("fused-lstm", "fused-lstm"),
        ("threads=02", "threads=2"),
        ("start-method", "start-method=forkserver"),
        ("start-method=spawn", "start-method=spawn"),
        ("eval-step-limit=500", "eval-step-limit=500"),
        ("eval-step-limit", "eval-step-limit=10000"),
    ],
)
def test_a_choice_is_spelt_out_for_the_agent(text: str, word: str) -> None:
    assert choose(text).word() == word


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fused", "did you mean 'fused-lstm'"),
        ("", "known: eval-step-limit[=N]"),
        ("fused-lstm=1", "takes no value"),
        ("threads=", "positive whole number"),
        ("threads=0", "positive whole number"),
        ("threads=1.5", "positive whole number"),
        ("threads=²", "positive whole number"),
        ("start-method=fork", "forkserver or spawn"),
    ],
)
def test_what_cannot_be_applied_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(UnknownRemedyError) as error:
        choose(text)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_the_same_remedy_twice_is_refused() -> None:
    with pytest.raises(UnknownRemedyError, match="given twice"):
        choose_all(["threads=1", "fused-lstm", "threads=2"])


@pytest.mark.parametrize(("quota", "cpus", "threads"), [(None, 4, 4), (2.5, 4, 2), (0.5, 4, 1), (8.0, 2, 2)])
def test_threads_are_as_many_as_quota_and_cores_let_run(
    quota: float | None, cpus: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup.Groups, "read", lambda self: cgroup.Reading(cpu_quota_cores=quota))
    assert choose("threads").word(range(cpus)) == f"threads={threads}"


def test_what_became_of_a_remedy_is_told_of_all_processes_together(tmp_path: Path) -> None:
    def line(state: str, says: str = "x") -> str:
        return json.dumps({"id": "threads", "state": state, "says": says, "value": "2"})

    (tmp_path / "remedies-1.jsonl").write_text(f"{line('waiting')}\n{line('refused', 'no')}\nnonsense\n[]\n")
    assert told(tmp_path) == (remedies.Told("threads", "2", "refused", "no"),)
    (tmp_path / "remedies-2.jsonl").write_text(f"{line('waiting')}\n{line('applied', 'yes')}\n")
    assert told(tmp_path) == (remedies.Told("threads", "2", "applied", "yes"),)


# In real processes.


def test_threads_hold_against_the_program(run: Any) -> None:
    trained = run(
        """
        import json, os, torch
        torch.set_num_threads(7)
        variables = os.environ["OPENBLAS_NUM_THREADS"], "OMP_THREAD_LIMIT" in os.environ
        print(json.dumps([torch.get_num_threads(), *variables]))
        """,
        "threads=2",
        OMP_THREAD_LIMIT="1",
    )
    assert trained.said == [2, "2", False]
    assert trained.state("threads") == "applied"


def test_what_has_no_occasion_and_what_is_unknown_is_not_applied(run: Any) -> None:
    trained = run("print('[1]')", "fused-lstm,threads=2,spells=3,eval-step-limit=x")
    assert {name: item.state for name, item in trained.told.items()} == {
        "fused-lstm": "waiting",
        "threads": "waiting",
        "spells": "refused",
        "eval-step-limit": "refused",
    }


ENV = """
import json, sys, threading
import gymnasium, numpy

class Market(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-9, 9, (3,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(3)
    length = 5

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.random = numpy.random.default_rng(seed)
        self.left = self.length
        return self.observe(), {}

    def observe(self):
        return self.random.standard_normal(3, dtype=numpy.float32)

    def step(self, action):
        self.left -= 1
        return self.observe(), 1.0, self.left == 0, False, {}

    def action_masks(self):
        return [True, True, True]
"""


def script(text: str) -> str:
    return ENV + textwrap.dedent(text)


def test_processes_are_started_by_forkserver_also_where_fork_is_asked_for(run: Any) -> None:
    trained = run(
        script("""
        import multiprocessing, threading
        from functools import partial
        from stable_baselines3.common.vec_env import SubprocVecEnv

        if __name__ == "__main__":
            multiprocessing.set_start_method("fork")
            process = multiprocessing.Process(target=print)
            process.start()
            process.join()
            envs = SubprocVecEnv([Market, partial(Market)], start_method="fork")
            kinds = [type(child).__name__ for child in (process._popen, *envs.processes)]
            named = multiprocessing.get_context("fork").Process.__name__
            envs.close()
            print(json.dumps([process._popen.method, *kinds[1:], named]))
        """),
        "start-method=forkserver",
    )
    assert trained.said == ["forkserver", "ForkServerProcess", "ForkServerProcess", "ForkProcess"]
    assert trained.state("start-method") == "applied"


def test_subnormal_numbers_are_zero_on_every_thread_that_computes(run: Any) -> None:
    trained = run(
        script("""
        found = {}
        go = threading.Event()

        def learn_later():
            go.wait()
            from stable_baselines3 import PPO
            PPO("MlpPolicy", Market(), n_steps=8, batch_size=8, n_epochs=1, seed=0, device="cpu").learn(8)

        earlier = threading.Thread(target=learn_later)
        earlier.start()  # before torch is imported
        import torch
        torch.set_num_threads(2)
        tiny = torch.ones(1 << 20, dtype=torch.int32).view(torch.float32)  # 1.4e-45, however the switch stands

        def survive(name):
            found[name] = int((tiny * 1.0).view(torch.int32).count_nonzero())

        survive("pool")
        later = threading.Thread(target=survive, args=["thread"])
        later.start()
        later.join()
        step = Market.step

        def stepped(self, action):
            survive("learning")
            return step(self, action)

        Market.step = stepped
        go.set()
        earlier.join()
        print(json.dumps(found))
        """),
        "flush-denormal",
    )
    assert trained.said == {"pool": 0, "thread": 0, "learning": 0}
    assert trained.state("flush-denormal") == "applied"


EVALUATIONS = script("""
    from functools import partial
    from gymnasium.wrappers import TimeLimit
    from stable_baselines3 import PPO
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecMonitor, VecNormalize

    class Endless(Market):
        length = -1

    def evaluate(env, episodes=2):
        env.reset() if hasattr(env, "num_envs") else env.reset(seed=1)
        rewards, lengths = evaluate_policy(model, env, episodes, return_episode_rewards=True, warn=False)
        return [[float(item) for item in rewards], [int(item) for item in lengths]]

    def several(make, kind=DummyVecEnv):
        envs = kind([make, make])
        envs.seed(1)
        return envs

    def monitored():
        return Monitor(Endless())

    if __name__ == "__main__":
        model = PPO("MlpPolicy", Market(), n_steps=8, batch_size=8, seed=0, device="cpu")
        workers = several(monitored, partial(SubprocVecEnv, start_method="fork"))
        found = {
            "bare": evaluate(Endless()),
            "monitored": evaluate(Monitor(Endless())),
            "monitor inside the time limit": evaluate(TimeLimit(Monitor(Endless()), 9)),
            "normalised": evaluate(VecNormalize(several(monitored), norm_reward=True), 4),
            "monitored together": evaluate(VecMonitor(several(Endless))),
            "workers": evaluate(workers),
            "ends by itself": evaluate(Monitor(Market())),
        }
        workers.close()
        # The environment is as it was, and was reset where its episode was ended.
        vec = several(Endless)
        evaluate(vec)
        vec.reset()
        dones = [bool(vec.step([0, 0])[2].any()) for _ in range(40)]
        found["afterwards"] = [any(dones), "step_wait" in vars(vec)]
        print(json.dumps(found))
""")


def test_an_evaluation_episode_ends_after_so_many_steps(run: Any) -> None:
    trained = run(EVALUATIONS, "eval-step-limit=20")
    ended = [[20.0, 20.0], [20, 20]]
    assert trained.said == {
        "bare": ended,
        "monitored": ended,
        "monitor inside the time limit": ended,
        "normalised": [[20.0] * 4, [20] * 4],
        "monitored together": ended,
        "workers": ended,
        "ends by itself": [[5.0, 5.0], [5, 5]],
        "afterwards": [False, False],
    }
    assert trained.state("eval-step-limit") == "applied"


def test_an_evaluation_environment_that_cannot_be_reset_goes_on_as_it_was() -> None:
    class Odd:
        num_envs = 1

        def step_wait(self) -> Any:
            return np.zeros((1, 3)), np.ones(1), np.zeros(1, bool), [{}]

        def env_method(self, name: str, **options: Any) -> Any:
            raise AttributeError(name)

    limited = eval_step_limit._Limited(Odd(), 2, monitored=False)
    dones = [bool(limited()[2][0]) for _ in range(5)]
    assert not any(dones)


def test_a_buffer_of_another_size_is_made_anew_and_trains_as_if_built_so(run: Any) -> None:
    trained = run(
        script("""
        from sb3_contrib import MaskablePPO, RecurrentPPO
        from stable_baselines3 import A2C, PPO

        def trained(algorithm, policy, built, wanted):
            more = {} if algorithm is A2C else {"batch_size": 8, "n_epochs": 1}
            model = algorithm(policy, Market(), n_steps=built, seed=0, device="cpu", **more)
            model.n_steps = wanted
            model.learn(2 * wanted)
            return float(sum(weights.detach().double().abs().sum() for weights in model.policy.parameters()))

        print(json.dumps({
            algorithm.__name__: [trained(algorithm, policy, built, 16) for built in (16, 8, 64)]
            for algorithm, policy in
            ((PPO, "MlpPolicy"), (A2C, "MlpPolicy"), (MaskablePPO, "MlpPolicy"), (RecurrentPPO, "MlpLstmPolicy"))
        }))
        """),
        "resize-buffer",
    )
    assert {name: len(set(sums)) for name, sums in trained.said.items()} == dict.fromkeys(
        ("PPO", "A2C", "MaskablePPO", "RecurrentPPO"), 1
    )
    assert trained.state("resize-buffer") == "applied"


RECURRENT = script("""
    import torch
    from sb3_contrib import RecurrentPPO

    calls = [0]

    def learn(**more):
        model = RecurrentPPO("MlpLstmPolicy", Market(), n_steps=64, batch_size=64, n_epochs=1, seed=0, device="cpu",
                             policy_kwargs={"lstm_hidden_size": 8, **more})
        model.policy.lstm_actor.register_forward_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))
        train = model.train

        def counted():
            calls[0] = 0
            train()

        model.train = counted
        model.learn(128)  # in the first update it is computed both ways
        return [calls[0], float(sum(weights.detach().double().abs().sum() for weights in model.policy.parameters()))]
""")


def test_an_update_takes_few_calls_of_its_lstm_and_ends_with_the_same_weights(run: Any) -> None:
    text = RECURRENT + "\nprint(json.dumps(learn()))"
    steps, plain = run(text, "").said
    assert steps == 5  # of the longest episode in the only minibatch
    for words in ("fused-lstm", "unpadded-batches,fused-lstm"):
        trained = run(text, words)
        calls, weights = trained.said
        assert calls == 1
        assert abs(weights - plain) < 1e-4
        assert trained.told[words.partition(",")[0]].applied


def test_a_policy_of_its_own_is_left_alone(run: Any) -> None:
    trained = run(
        RECURRENT
        + textwrap.dedent("""
        from sb3_contrib.ppo_recurrent import MlpLstmPolicy

        class Own(MlpLstmPolicy):
            def evaluate_actions(self, *args):
                return super().evaluate_actions(*args)

        model = RecurrentPPO(Own, Market(), n_steps=16, batch_size=16, n_epochs=1, seed=0, device="cpu")
        model.learn(16)
        print("[]")
        """),
        "unpadded-batches",
    )
    assert trained.told["unpadded-batches"] == remedies.Told(
        "unpadded-batches", "", "refused", "the policy has its own evaluate_actions"
    )
