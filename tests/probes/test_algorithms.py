"""Every algorithm: what the flight recorder shows of it is what the program counts by itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.probes.conftest import Agent

if TYPE_CHECKING:
    from tests.probes.conftest import Write

HERE = Path(__file__).parent
ON_POLICY = ("PPO", "A2C", "RecurrentPPO", "MaskablePPO", "TRPO")
OFF_POLICY = ("DQN", "SAC", "TD3", "DDPG", "TQC", "QRDQN", "CrossQ")
COUNTED = {
    "env.step": "env.step",
    "buffer.add": "buffer.add",
    "advantage": "advantage",
    "collect": "collect",
    "train": "train",
    "epoch": "epochs",
    "minibatch": "minibatches",
    "sample": "samples",
    "backward": "backward",
    "optimizer": "optimizer",
    "callback": "callback",
    "eval": "eval",
}
"""Phase to what the program calls its own count of it."""
TIMEOUT_S = 240


def train(folder: Path, python: str | Path, *names: str) -> tuple[dict[str, Any], Agent]:
    """What the program says of each algorithm, trained under the agent."""
    flight = folder / "flight"
    flight.mkdir()
    agent = Agent(flight)
    done = agent.run(HERE / "algorithms_program.py", flight, *names, python=python, timeout_s=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {of["algorithm"]: of for of in said}, agent


def check(said: dict[str, Any]) -> None:
    """Compares what was shown of one algorithm with what was true."""
    name, true, shown, moments = said["algorithm"], said["truth"], said["shown"], said["moments"]
    counted = dict(COUNTED)
    if said["n_envs"] == 1:
        counted["env.reset"] = "env.reset"
    if name in ON_POLICY:
        del counted["buffer.add"]  # it copies a row: no phase but in a replay buffer
    assert {phase: shown.get(phase, 0) for phase in counted} == {
        phase: true.get(key, 0) for phase, key in counted.items()
    }
    assert (shown["learn"], shown["save"]) == (1, 1)
    assert said["optimizer_steps"] == true.get("optimizer", 0)
    assert true["steps wrong"] == 0
    assert true["total"] == 48
    learnt = said["learnt"]
    assert (learnt["step"], learnt["path"]) == (said["num_timesteps"], [])
    assert learnt["n_steps"] == (16 if name in ON_POLICY else 0)
    assert moments["save"] == ["save"]
    collecting = "learn collect eval" if name == "ARS" else "learn collect"
    assert moments["callback"] == [f"{collecting} callback"]
    assert moments["env.step"] == sorted([f"{collecting} callback eval env.step", f"{collecting} env.step"])
    if name == "ARS":
        return
    whole = "learn train epoch" if name in ON_POLICY else "learn train"
    update = f"{whole} minibatch"
    # Marks at rest do not tell these phases, but what they are in; the first ones of a process are told.
    passes = {"learn collect policy", f"{update} forward", f"{whole} forward"}
    evaluating = "learn collect callback eval policy"
    if name == "PPO":
        assert f"{update} optimizer" in moments["optimizer"]
        assert {"learn collect policy", f"{update} forward"} <= set(moments["network"])
    assert set(moments["optimizer"]) <= {f"{update} optimizer", update, f"{whole} optimizer", whole}
    at_rest = {path.rpartition(" ")[0] for path in (*passes, evaluating)}
    # The checks of the training data ask the policy once more, outside any count.
    assert set(moments["network"]) <= passes | at_rest | {evaluating, "learn train"}
    # As seen in the optimizer's steps: where the update is, and of how much.
    assert true["minibatches shown"] == true["n_minibatches"]
    assert true["epochs shown"] == true["n_epochs"]
    if name in ON_POLICY:
        assert true["epochs shown"] * true["train"] == true["epochs"]
    else:
        assert true["minibatches shown"] * true["train"] == true["minibatches"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was true and what was shown, by algorithm, with the libraries of this environment."""
    said, agent = train(tmp_path_factory.mktemp("algorithms"), sys.executable)
    assert len(agent.states()) == 1
    return said


@pytest.mark.parametrize("name", [*ON_POLICY, *OFF_POLICY, "ARS"])
def test_what_is_shown_of_an_algorithm_is_true(name: str, trained: dict[str, Any]) -> None:
    check(trained[name])


SITUATIONS = (
    "an_update_that_stops_early",
    "an_error_in_an_update_that_somebody_keeps",
    "an_error_between_two_minibatches_that_somebody_keeps",
    "an_optimizer_step_that_fails",
    "learning_in_a_callback_of_learning",
    "learning_in_another_thread",
    "two_threads_that_learn_at_once",
    "a_replay_buffer_that_is_sampled_outside_updates",
    "two_samples_for_one_gradient_step",
    "an_algorithm_that_makes_more_passes_than_it_says",
    "a_rollout_that_is_read_outside_an_update",
    "observations_in_parts_with_hindsight",
    "going_on_with_learning",
    "off_policy_after_on_policy",
    "environments_that_are_driven_by_hand",
    "saving_of_every_kind",
    "a_loop_of_ones_own",
    "a_training_without_callbacks",
    "a_function_for_a_callback",
    "networks_that_are_looked_at_by_samples",
    "networks_that_are_compiled",
)


@pytest.fixture(scope="module")
def situations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """The traceback of what was wrong in each situation, or None."""
    agent = Agent(tmp_path_factory.mktemp("flight"))
    done = agent.run(HERE / "situations_program.py", agent.flight, timeout_s=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    assert len(agent.states()) == 1
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert tuple(of["situation"] for of in said) == SITUATIONS
    return {of["situation"]: of["error"] for of in said}


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_is_shown_is_true_in(name: str, situations: dict[str, str | None]) -> None:
    assert situations[name] is None, situations[name]


CANDIDATES = """
    import sys
    from pathlib import Path
    import gymnasium
    from sb3_contrib import ARS
    from sb3_contrib.common.vec_env import AsyncEval
    from stable_baselines3.common.env_util import make_vec_env

    if __name__ == "__main__":
        model = ARS("LinearPolicy", "Pendulum-v1", n_delta=2, seed=1)
        workers = AsyncEval([lambda: make_vec_env("Pendulum-v1") for _ in range(2)], model.policy, start_method="fork")
        pids = [process.pid for process in workers.processes]
        model.learn(800, async_eval=workers)
        print(model.num_timesteps, *pids)
"""


def test_candidates_that_are_evaluated_in_workers(agent: Agent, write: Write) -> None:
    done = agent.run(write(CANDIDATES))
    assert done.returncode == 0, done.stderr
    steps, *pids = (int(word) for word in done.stdout.split())
    states = agent.states()
    for place, pid in enumerate(pids):
        state = states.pop(pid)
        assert state.worker == place
        assert state.phases["eval"].count == 2
        assert state.phases["env.step"].count == 400
    (parent,) = states.values()
    assert parent.worker is None
    assert parent.step == steps == 800
    assert (parent.phases["collect"].count, "eval" in parent.phases) == (1, False)
