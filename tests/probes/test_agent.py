"""The agent: it reaches every process, marks what happens there, changes nothing, and keeps its troubles to itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from probes import carry
from probes.agent import layout
from probes.code import is_ours

if TYPE_CHECKING:
    from tests.probes.conftest import Agent, Write

TRAIN = """
    import hashlib, sys
    import torch
    from {package} import {algorithm}
    torch.set_num_threads(1)
    model = {algorithm}({policy!r}, "CartPole-v1", n_steps=64, batch_size=32, n_epochs=2, seed=7,
                        policy_kwargs={policy_kwargs}, device="cpu")
    model.learn(100)
    digest = hashlib.sha256()
    for name, weights in sorted(model.policy.state_dict().items()):
        digest.update(name.encode() + weights.numpy().tobytes())
    print(digest.hexdigest(), model.num_timesteps)
"""
PPO = {"package": "stable_baselines3", "algorithm": "PPO", "policy": "MlpPolicy", "policy_kwargs": {}}
RECURRENT = {
    "package": "sb3_contrib",
    "algorithm": "RecurrentPPO",
    "policy": "MlpLstmPolicy",
    "policy_kwargs": {"lstm_hidden_size": 16},
}


def plain(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The same without the agent."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(Path(arguments[0]).parent), **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("setup", [PPO, RECURRENT], ids=lambda setup: str(setup["algorithm"]))
def test_the_trained_weights_are_bit_identical_with_and_without_the_agent(
    setup: dict[str, object], agent: Agent, write: Write
) -> None:
    script = write(TRAIN.format(**setup))
    without = plain(script)
    with_agent = agent.run(script)
    assert without.stdout.strip(), without.stderr
    assert with_agent.stdout == without.stdout
    recording = agent.recording()
    state = recording.state()
    assert state.phases["train"].count == 2
    assert state.phases["epoch"].count == 4
    assert state.phases["minibatch"].count == 8
    assert state.phases["collect"].count == 2
    assert state.optimizer_steps == 8
    assert state.step == 128
    assert state.total_steps == 100
    assert state.n_steps == 64
    assert state.path == ()
    assert state.phase == "exit"
    assert state.exit_ns > 0
    assert recording.text("faults") is None
    facts = recording.text("facts")
    assert facts is not None
    assert facts["algorithm"] == setup["algorithm"]
    assert facts["hyperparameters"]["batch_size"] == 32
    assert facts["buffer"]["buffer_size"] == 64
    assert bool(facts["recurrent_modules"]) == (setup is RECURRENT)
    recording.close()


MAIN_CLASSES = """
    import sys
    import gymnasium, torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.policies import ActorCriticPolicy
    from stable_baselines3.common.buffers import RolloutBuffer
    from stable_baselines3.common.vec_env import DummyVecEnv

    class Walk(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1, 1, (2,))
        action_space = gymnasium.spaces.Discrete(2)
        def reset(self, *, seed=None, options=None):
            self.left = 20
            return self.observation_space.sample() * 0, {}
        def step(self, action):
            self.left -= 1
            return self.observation_space.sample() * 0, 1.0, self.left == 0, False, {}

    class Wide(ActorCriticPolicy):
        def forward(self, obs, deterministic=False):
            return super().forward(obs, deterministic)

    class Quiet(BaseCallback):
        def _on_step(self):
            return True

    class Store(RolloutBuffer):
        def get(self, batch_size=None):
            yield from super().get(batch_size)

    class Slow(torch.optim.Adam):
        def step(self, closure=None):
            return super().step(closure)

    class Envs(DummyVecEnv):
        def step_wait(self):
            return super().step_wait()

    class Mine(PPO):
        def train(self):
            super().train()
        def learn(self, *args, **kwargs):
            return super().learn(*args, **kwargs)

    model = Mine(Wide, Envs([Walk]), n_steps=32, batch_size=16, n_epochs=1, rollout_buffer_class=Store, device="cpu",
                policy_kwargs={"activation_fn": torch.nn.ReLU, "optimizer_class": Slow})
    model.kept = [Walk, Quiet, Envs, Mine]
    model.learn(32, callback=Quiet())
    model.save(sys.argv[1])
"""


def test_a_model_whose_classes_are_in_main_is_saved_so_that_it_loads_without_the_agent(
    agent: Agent, write: Write, tmp_path: Path
) -> None:
    saved = tmp_path / "model.zip"
    training = agent.run(write(MAIN_CLASSES), saved)
    assert training.returncode == 0, training.stderr
    loading = plain(
        write(
            """
            import sys
            from stable_baselines3 import PPO
            model = PPO.load(sys.argv[1], device="cpu")
            env_class, callback_class, envs_class, algorithm = model.kept
            again = algorithm(type(model.policy), envs_class([env_class]), n_steps=8, batch_size=8, device="cpu")
            again.learn(8, callback=callback_class())
            env = env_class()
            observation, _ = env.reset()
            env.step(model.predict(observation)[0])
            assert type(env_class.step).__name__ == "function", env_class.step
            assert type(model.policy_class.forward).__name__ == "function"
            assert not [name for name in sys.modules if "freezelab" in name]
            print(type(model.policy).__name__, callback_class.__name__)
            """,
            "load.py",
        ),
        saved,
    )
    assert loading.stdout == "Wide Quiet\n", loading.stderr
    recording = agent.recording()
    # The subclass's get draws on its parent's: one epoch all the same.
    assert recording.state().phases["epoch"].count == 1
    assert recording.state().phases["env.step"].count == 32
    recording.close()


VEC_ENV = """
    import os
    import gymnasium
    from stable_baselines3.common.vec_env import SubprocVecEnv

    class Walk(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1, 1, (2,))
        action_space = gymnasium.spaces.Discrete(2)
        def reset(self, *, seed=None, options=None):
            return self.observation_space.sample(), {}
        def step(self, action):
            return self.observation_space.sample(), 1.0, False, False, {}

    if __name__ == "__main__":
        import sys
        # A local function: cloudpickle has to write the class by value.
        envs = SubprocVecEnv([lambda: Walk() for _ in range(2)], start_method=sys.argv[1])
        envs.reset()
        for _ in range(25):
            envs.step([0, 1])
        print(*[process.pid for process in envs.processes])
        envs.close()
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_it_reaches_the_workers_of_a_subproc_vec_env(method: str, agent: Agent, write: Write) -> None:
    done = agent.run(write(VEC_ENV), method)
    assert done.returncode == 0, done.stderr
    workers = [int(word) for word in done.stdout.split()]
    states = agent.states()
    steps = {pid: state.phases["env.step"].count for pid, state in states.items() if "env.step" in state.phases}
    assert [steps.get(pid) for pid in workers] == [25, 25]
    assert sum(count == 25 for count in steps.values()) == 3  # the parent has a mark on its VecEnv
    assert [states[pid].worker for pid in workers] == [0, 1]
    assert {states[pid].worker for pid in states if pid not in workers} == {None}


VECTOR_ENV = """
    import gymnasium, numpy, os
    if __name__ == "__main__":
        envs = gymnasium.vector.AsyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 2)
        envs.reset(seed=1)
        for _ in range(5):
            envs.step(numpy.zeros(2, int))
        print(os.getpid(), *[process.pid for process in envs.processes])
        envs.close()
"""


def test_it_reaches_the_workers_of_gymnasiums_own_vectorised_environment(agent: Agent, write: Write) -> None:
    done = agent.run(write(VECTOR_ENV))
    states = agent.states()
    parent, *workers = (states[int(pid)] for pid in done.stdout.split())
    assert [state.phases["env.step"].count for state in (parent, *workers)] == [5, 5, 5]
    assert [state.worker for state in (parent, *workers)] == [None, 0, 1]


LONG_EPISODES = """
    import gymnasium, numpy, os, sys
    from stable_baselines3.common.vec_env import SubprocVecEnv

    class Walk(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1, 1, (2,))
        action_space = gymnasium.spaces.Discrete(2)
        count = 0
        def reset(self, *, seed=None, options=None):
            return numpy.zeros(2, numpy.float32), {{}}
        def step(self, action):
            self.count += 1
            if self.count == 1990:
                self.end()
            return numpy.zeros(2, numpy.float32), 1.0, self.count % 100 == 0, False, {{}}
        def end(self):
            {end}

    if __name__ == "__main__":
        # With one worker and nothing in between, its mark is warm: only the number of its calls is of interest.
        kind, method = sys.argv[1:]
        if kind == "subproc":
            envs = SubprocVecEnv([lambda: Walk()], start_method=method)
        else:
            envs = gymnasium.vector.AsyncVectorEnv([lambda: Walk()], context=method)
        envs.reset()
        try:
            for _ in range(2100):  # some vectorised environments take one to begin an episode
                envs.step(numpy.zeros(1, int))
        finally:
            print(envs.processes[0].pid)
"""


@pytest.mark.parametrize(
    ("kind", "method", "end", "error"),
    [
        ("subproc", "fork", "raise ValueError('no price')", "ValueError"),
        ("subproc", "forkserver", "raise BrokenPipeError", "BrokenPipeError"),
        ("subproc", "spawn", "os._exit(3)", "os._exit"),
        ("subproc", "fork", "sys.exit(3)", "SystemExit"),
        ("vector", "fork", "os._exit(3)", "os._exit"),
    ],
)
def test_short_steps_of_a_worker_have_their_mark_in_sample_episodes_only(
    kind: str, method: str, end: str, error: str, agent: Agent, write: Write
) -> None:
    script = write(LONG_EPISODES.format(end=end))
    done = agent.run(script, kind, method)
    worker = int(done.stdout.split()[0])
    recording = next(item for item in agent.recordings() if item.pid == worker)
    phases = recording.state().phases
    # One episode at least, and those that begin before it is asked again, some 20 ms later.
    assert 100 <= phases["env.step"].count < 1500, phases
    assert phases["env.reset"].count == 20, phases
    known = recording.text("exception")
    assert known is not None
    assert (known["type"], known["phases"]) == (error, ["env.step"])
    # Also where the class came by value.
    last = [(row["function"], row["file"]) for row in known["frames"] if not is_ours(row["file"])][-1]
    assert last == ("end", str(script))
    assert recording.text("faults") is None


def test_resets_are_told_at_once_however_often_they_come(agent: Agent, write: Write) -> None:
    script = write("""
        import os
        import gymnasium
        class Walk(gymnasium.Env):
            def reset(self, *, seed=None, options=None):
                return None, {}
        env = Walk()
        for _ in range(300):
            env.reset()
        os._exit(0)
    """)
    assert agent.run(script).returncode == 0
    (state,) = agent.states().values()
    assert state.phases["env.reset"].count == 300


def test_it_reaches_a_module_run_with_m(agent: Agent, write: Write, tmp_path: Path) -> None:
    write("import gymnasium; gymnasium.make('CartPole-v1').reset()", "package/__main__.py")
    write("", "package/__init__.py")
    assert agent.run("-m", "package", cwd=tmp_path).returncode == 0
    recording = agent.recording()
    assert recording.state().phases["env.reset"].count == 1
    recording.close()


def test_another_sitecustomize_is_run_as_if_ours_were_not_there(agent: Agent, write: Write, tmp_path: Path) -> None:
    write("import sys; sys.greeting = 'hello'; answer = 42", "other/sitecustomize.py")
    script = write("""
        import sys, sitecustomize, os
        print(sys.greeting, sitecustomize.answer, sitecustomize.__file__, '_freezelab_agent' in sys.modules)
        print([path for path in sys.path if "inject" in path])
    """)
    done = agent.run(script, PYTHONPATH=str(tmp_path / "other"))
    assert done.stdout.splitlines() == [f"hello 42 {tmp_path / 'other' / 'sitecustomize.py'} True", "[]"], done.stderr


def test_another_sitecustomize_that_fails_fails_as_it_would_without_us(
    agent: Agent, write: Write, tmp_path: Path
) -> None:
    write("import missing_module", "other/sitecustomize.py")
    script = write("print('went on')")
    ours = agent.run(script, PYTHONPATH=str(tmp_path / "other"))
    theirs = plain(script, PYTHONPATH=str(tmp_path / "other"))
    assert ours.stdout == theirs.stdout
    assert "missing_module" in theirs.stderr
    assert ours.stderr == theirs.stderr


@pytest.mark.parametrize("flag", ["-I", "-S", "-E"])
def test_a_run_that_ignores_the_environment_works_without_the_agent(flag: str, agent: Agent, write: Write) -> None:
    done = agent.run(flag, write("print('ran')"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")


@pytest.mark.parametrize("folder", ["/nowhere/at/all", "/dev/null", "/proc", "relative", "\x01"])
def test_a_flight_folder_that_leads_nowhere_does_no_harm(folder: str, agent: Agent, write: Write) -> None:
    script = write("import gymnasium; gymnasium.make('CartPole-v1').reset(); print('ran')")
    environment = {**agent.environment(), layout.FOLDER_VARIABLE: folder}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")


def test_a_hook_that_the_program_sets_stands_and_may_call_ours(agent: Agent, write: Write) -> None:
    script = write("""
        import sys
        theirs = sys.excepthook
        def hook(kind, error, trace):
            print("hook:", error)
            theirs(kind, error, trace)
        sys.excepthook = hook
        raise ValueError("price is missing")
    """)
    done = agent.run(script)
    assert done.stdout == "hook: price is missing\n"
    assert done.stderr.splitlines()[-1] == "ValueError: price is missing"
    recording = agent.recording()
    error = recording.text("exception")
    assert error is not None
    assert (error["type"], error["phases"], error["step"]) == ("ValueError", [], -1)
    recording.close()


ERROR = """
    import gymnasium
    class Walk(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1, 1, (2,))
        action_space = gymnasium.spaces.Discrete(2)
        def reset(self, *, seed=None, options=None):
            return None, {{}}
        def step(self, action):
            {body}
    env = Walk()
    env.reset()
    for _ in range(3):
        try:
            env.reset()
            env.step(0)
        except KeyError:
            pass
    env.step({argument})
"""


def test_an_uncaught_error_is_recorded_and_printed_as_ever(agent: Agent, write: Write) -> None:
    script = write(ERROR.format(body="raise (KeyError if action == 0 else ValueError)('price ' * 3)", argument=1))
    without = plain(script)
    done = agent.run(script)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "ValueError: price price price "
    # The frames are the same but for the mark's own.
    assert without.stderr.splitlines()[:3] == done.stderr.splitlines()[:3]
    recording = agent.recording()
    error = recording.text("exception")
    assert error is not None
    assert (error["type"], error["phases"]) == ("ValueError", ["env.step"])
    assert error["frames"][-1]["function"] == "step"
    assert error["frames"][0]["file"] == str(script)
    recording.close()


@pytest.mark.parametrize(("value", "code"), [("3", 3), ("'no data'", 1), ("", 0)])
def test_a_call_of_sys_exit_is_recorded_and_ends_the_program_as_ever(
    value: str, code: int, agent: Agent, write: Write
) -> None:
    done = agent.run(write(ERROR.format(body=f"__import__('sys').exit({value})", argument=1)))
    assert done.returncode == code
    recording = agent.recording()
    error = recording.text("exception")
    recording.close()
    assert (error is None) == (code == 0)
    if error is not None:
        assert (error["type"], error["message"], error["phases"]) == ("SystemExit", value.strip("'"), ["env.step"])
        assert error["frames"][-1]["function"] == "step"


def test_an_error_that_was_caught_is_not_kept_alive(agent: Agent, write: Write) -> None:
    script = write("""
        import gc, weakref
        import gymnasium
        class Big: pass
        class Walk(gymnasium.Env):
            observation_space = gymnasium.spaces.Box(-1, 1, (2,))
            action_space = gymnasium.spaces.Discrete(2)
            def step(self, action):
                big = Big()
                global seen
                seen = weakref.ref(big)
                raise MemoryError
        try:
            Walk().step(0)
        except MemoryError:
            pass
        print(seen() is None)
    """)
    assert agent.run(script).stdout == "True\n"


def test_an_error_message_of_any_length_is_recorded(agent: Agent, write: Write) -> None:
    script = write(ERROR.format(body="raise ValueError('\\x00é\\ud800' * 4000)", argument=1))
    assert agent.run(script, PYTHONIOENCODING="utf-8:replace").returncode == 1
    recording = agent.recording()
    error = recording.text("exception")
    assert error is not None
    assert error["type"] == "ValueError"
    assert error["frames"][-1]["function"] == "step"
    assert error["message"]
    recording.close()


def test_its_own_faults_are_swallowed_and_recorded(agent: Agent, write: Write, tmp_path: Path) -> None:
    broken = tmp_path / "agent"
    shutil.copytree(Path(carry.__file__).parent / "agent", broken)
    patch = broken / "patches" / "gymnasium.py"
    patch.write_text(
        patch.read_text(encoding="utf-8").replace(
            "def _patch_core(module: Any) -> None:\n", "def _patch_core(module: Any) -> None:\n    1 / 0\n"
        ),
        encoding="utf-8",
    )
    script = write("import gymnasium; gymnasium.make('CartPole-v1').reset(); print('ran')")
    environment = {**agent.environment(), "PYTHONPATH": str(broken / "inject")}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")
    recording = agent.recording()
    assert recording.text("faults") == {"faults": ["patch of gymnasium.core: ZeroDivisionError('division by zero')"]}
    recording.close()


@pytest.mark.parametrize("damage", ["syntax", "missing", "import"])
def test_an_agent_that_cannot_even_be_loaded_does_no_harm(
    damage: str, agent: Agent, write: Write, tmp_path: Path
) -> None:
    broken = tmp_path / "agent"
    shutil.copytree(Path(carry.__file__).parent / "agent", broken)
    if damage == "missing":
        (broken / "recorder.py").unlink()
    else:
        (broken / "recorder.py").write_text("def (" if damage == "syntax" else "import no_such_module")
    environment = {**agent.environment(), "PYTHONPATH": str(broken / "inject")}
    done = subprocess.run(
        [sys.executable, str(write("print('ran')"))],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")


def test_handlers_that_the_program_sets_are_respected(agent: Agent, write: Write) -> None:
    script = write("""
        import os, signal
        signal.signal(signal.SIGABRT, lambda number, frame: print("handled", number, flush=True))
        os.kill(os.getpid(), signal.SIGABRT)
        import gymnasium
        print(signal.getsignal(signal.SIGABRT) is not None)
    """)
    environment = carry.environment({**os.environ}, agent.flight)
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines() == ["handled 6", "True"], done.stderr


def test_a_signal_that_was_ignored_when_the_program_began_stays_ignored(agent: Agent, write: Write) -> None:
    script = write("import os, signal; os.kill(os.getpid(), signal.SIGABRT); print('alive')")
    launcher = write(
        f"""
        import os, signal, sys
        signal.signal(signal.SIGABRT, signal.SIG_IGN)
        os.execv(sys.executable, [sys.executable, {str(script)!r}])
        """,
        "launcher.py",
    )
    environment = carry.environment({**os.environ}, agent.flight)
    done = subprocess.run(
        [sys.executable, str(launcher)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "alive\n", done.stderr


ALGORITHMS = """
    import pickle, sys
    from stable_baselines3 import A2C, DQN
    from stable_baselines3.common.evaluation import evaluate_policy
    what = sys.argv[1]
    class Mine(A2C):
        def train(self):
            return super().train()
        def learn(self, *args, **kwargs):
            return super().learn(*args, **kwargs)
    if what == "on-policy":
        model = Mine("MlpPolicy", "CartPole-v1", n_steps=16, device="cpu")
        model.learn(total_timesteps=64)
        evaluate_policy(model, model.get_env(), n_eval_episodes=1, warn=False)
        model.save(sys.argv[2])
        assert pickle.loads(pickle.dumps(evaluate_policy)) is evaluate_policy
    else:
        DQN("MlpPolicy", "CartPole-v1", learning_starts=20, train_freq=4, gradient_steps=2, batch_size=8,
            buffer_size=100, device="cpu").learn(60)
"""


def test_an_algorithm_of_the_users_own_its_evaluation_and_saving_are_marked_once_for_each_call(
    agent: Agent, write: Write, tmp_path: Path
) -> None:
    done = agent.run(write(ALGORITHMS), "on-policy", tmp_path / "model.zip")
    assert done.returncode == 0, done.stderr
    recording = agent.recording()
    state = recording.state()
    assert state.phases["train"].count == 4
    assert state.phases["learn"].count == 1
    assert state.phases["eval"].count == 1
    assert state.phases["save"].count == 1
    assert state.total_steps == 64
    assert recording.text("faults") is None
    recording.close()


def test_off_policy_training_has_a_minibatch_for_each_gradient_step(agent: Agent, write: Write) -> None:
    done = agent.run(write(ALGORITHMS), "off-policy")
    assert done.returncode == 0, done.stderr
    recording = agent.recording()
    state = recording.state()
    assert state.phases["sample"].count == 2 * state.phases["train"].count == state.optimizer_steps
    assert state.n_minibatches == 2
    assert recording.text("faults") is None
    recording.close()


CENSUS = """
    import sys
    from sb3_contrib import RecurrentPPO
    from _freezelab_agent import layout
    from _freezelab_agent.recorder import recorder
    model = RecurrentPPO("MlpLstmPolicy", "CartPole-v1", n_steps=128, batch_size=64, n_epochs=1, seed=1, device="cpu",
                         policy_kwargs={"lstm_hidden_size": 8})
    recorder.words[layout.CENSUS_REQUEST] = 1
    model.learn(128)
    print(sys.getprofile())
"""


def test_a_census_counts_how_often_the_lstm_ran_in_one_minibatch(agent: Agent, write: Write, tmp_path: Path) -> None:
    done = agent.run(write(CENSUS))
    assert done.stdout == "None\n", done.stderr
    recording = agent.recording()
    census = recording.text("census")
    assert recording.state().census_done == 1
    assert census is not None
    loops = [row for row in census["rows"] if row["caller"] == "_process_sequence" and row["owner"] == "LSTM"]
    assert loops
    assert max(row["calls"] for row in loops) >= 8
    recording.close()


def test_a_program_that_profiles_itself_is_left_alone(agent: Agent, write: Write) -> None:
    script = write("""
        import sys
        from stable_baselines3 import PPO
        from _freezelab_agent import layout
        from _freezelab_agent.recorder import recorder
        def mine(frame, event, argument):
            pass
        model = PPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=16, n_epochs=1, device="cpu")
        recorder.words[layout.CENSUS_REQUEST] = 1
        sys.setprofile(mine)
        model.learn(32)
        print(sys.getprofile() is mine)
    """)
    assert agent.run(script).stdout == "True\n"
    recording = agent.recording()
    assert recording.state().census_done == 1
    assert recording.text("census") is None
    recording.close()


# Other interpreters, for what needs nothing but the standard library.

TOY = """
    import sys, types
    from _freezelab_agent import layout
    from _freezelab_agent.marks import mark
    from _freezelab_agent.watched import watch_class
    from _freezelab_agent.recorder import recorder
    recorder.open(sys.argv[1])

    class Base:
        pass

    watch_class(Base, {"step": "env.step"}, lambda function, phase, name: mark(function, phase))

    class Walk(Base):
        def step(self, action):
            '''One step.'''
            return action + 1

    assert [Walk().step(n) for n in range(5)] == [1, 2, 3, 4, 5]
    assert Walk.step.__doc__ == "One step."
    recorder.text("facts", {"python": sys.version.split()[0]})
    raise ValueError("the end")
"""


def _other_pythons() -> list[str]:
    """Interpreters of other versions that can be started here: on PATH, or named in FREEZELAB_TEST_PYTHONS."""
    names = os.environ.get("FREEZELAB_TEST_PYTHONS", "").split(os.pathsep)
    names += [f"python3.{minor}" for minor in range(9, 15) if minor != sys.version_info.minor]
    found = []
    for name in names:
        path = shutil.which(name) if name else None
        if path is not None:
            version = subprocess.run(
                [path, "-c", "print('started')"], capture_output=True, text=True, timeout=30, check=False
            )
            # A version manager's stand-in for a version that is not there fails.
            if version.stdout == "started\n":
                found.append(path)
    return found


@pytest.mark.parametrize("python", [sys.executable, *_other_pythons()], ids=lambda path: Path(path).name)
def test_every_interpreter_loads_the_agent_and_records(python: str, agent: Agent, write: Write) -> None:
    done = agent.run(write(TOY), agent.flight, python=python)
    assert done.stderr.splitlines()[-1] == "ValueError: the end"
    recording = agent.recording()
    assert recording.state().phases["env.step"].count == 5
    error = recording.text("exception")
    assert error is not None
    assert error["message"] == "the end"
    assert recording.text("facts") is not None
    assert recording.text("faults") is None
    recording.close()


def test_a_program_with_nothing_to_mark_leaves_no_file(agent: Agent, write: Write) -> None:
    done = agent.run(write("import json; print(json.dumps([1]))"))
    assert (done.stdout, done.stderr) == ("[1]\n", "")
    assert list(agent.flight.iterdir()) == []


def test_the_agent_is_compiled_once_also_where_no_bytecode_is_to_be_written(write: Write, tmp_path: Path) -> None:
    copied = tmp_path / "agent"
    shutil.copytree(Path(layout.__file__).parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    write("value = 1\n", "theirs/module.py")
    script = write("""
        import sys
        import module
        assert module.value == 1 and sys.dont_write_bytecode
        assert sys.modules["_freezelab_agent.recorder"].recorder.folder is None
    """)
    environ = {
        **os.environ,
        "PYTHONPATH": f"{copied / 'inject'}{os.pathsep}{tmp_path / 'theirs'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        layout.FOLDER_VARIABLE: str(tmp_path / "flight"),
    }
    (tmp_path / "flight").mkdir()
    subprocess.run([sys.executable, str(script)], env=environ, check=True)
    compiled = {path.name.partition(".")[0] for path in copied.rglob("*.pyc")}
    assert {"recorder", "marks", "stable_baselines3", "semantic"} <= compiled
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("*.pyc")}
    subprocess.run([sys.executable, str(script)], env=environ, check=True)
    assert {path: path.stat().st_mtime_ns for path in copied.rglob("*.pyc")} == before
    assert not list((tmp_path / "theirs").rglob("*.pyc"))
