"""The program that trains as FreezeLab's own did: short, complete, pinned."""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

from probes.diagnosis import Diagnosis
from reports.issue.reproducer import NoReproducerError, of_program
from repro import options as training
from tests.reports.conftest import slow
from tests.reports.hostile import ANYTHING
from tests.reports.issue.pep723 import metadata

ENVIRONMENT = {
    "python": "3.11.7",
    "packages": {
        "torch": "2.13.0+cpu",
        "stable-baselines3": "2.9.2",
        "sb3-contrib": "2.9.2",
        "gymnasium": "1.4.0",
        "numpy": "2.4.6",
    },
}


def diagnosis(**environment: Any) -> Diagnosis:
    return dataclasses.replace(slow(), environment={**ENVIRONMENT, **environment})


def options(*words: str) -> dict[str, Any]:
    parsed = training.parse(words)
    return {**vars(parsed), "total_timesteps": parsed.steps_to_learn, "target_kl": parsed.kl_limit}


def calls(text: str) -> dict[str, Any]:
    """Keyword arguments of the model in the program."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("RecurrentPPO", "PPO"):
            return {str(word.arg): ast.unparse(word.value) for word in node.keywords}
    raise AssertionError("no model is built")


def test_the_libraries_are_pinned_as_the_run_had_them() -> None:
    found = metadata(of_program(diagnosis(), options("--env", "dummy")).text)
    assert found["requires-python"] == "==3.11.*"
    assert found["dependencies"] == [
        "torch==2.13.0", "stable-baselines3==2.9.2", "sb3-contrib==2.9.2", "gymnasium==1.4.0", "numpy==2.4.6",
    ]  # fmt: skip


def test_an_unknown_version_is_left_open() -> None:
    broken = {"python": "3.x", "packages": {"torch": "nightly!", "numpy": None}}
    found = metadata(of_program(diagnosis(**broken), options("--env", "dummy")).text)
    assert found["requires-python"] == ">=3.10"
    assert "torch" in found["dependencies"]


def test_the_training_is_set_up_as_the_run_was() -> None:
    words = ("--env", "dummy", "--n-steps", "512", "--batch-size", "32", "--lstm-hidden-size", "64", "--gamma", "0.9")
    given_ = calls(of_program(diagnosis(), options(*words)).text)
    assert (given_["n_steps"], given_["batch_size"], given_["gamma"]) == ("512", "32", "0.9")
    assert "'lstm_hidden_size': 64" in given_["policy_kwargs"]


def test_a_default_of_the_library_is_left_out() -> None:
    assert "gamma" not in calls(of_program(diagnosis(), options("--env", "dummy")).text)


def test_a_control_without_recurrence_needs_no_contrib() -> None:
    made = of_program(diagnosis(), options("--env", "dummy", "--policy", "MlpPolicy", "--n-envs", "2"))
    assert "sb3_contrib" not in made.text
    assert not any("contrib" in item for item in metadata(made.text)["dependencies"])


def test_another_environment_is_stood_in_for_as_its_episodes_were() -> None:
    phases = {"env.step": {"count": 4000.0}, "env.reset": {"count": 21.0}}
    seen = dataclasses.replace(diagnosis(), timing=dataclasses.replace(slow().timing, phases=phases))
    made = of_program(seen, options("--env", "v3"))
    assert "1 / 200)" in made.text
    assert any("v3" in note and "200 steps" in note for note in made.notes)


def test_an_environment_of_the_users_has_no_stand_in() -> None:
    with pytest.raises(NoReproducerError, match=r"mypkg\.envs:Sea is the user's own"):
        of_program(diagnosis(), {**options("--env", "dummy"), "env": "mypkg.envs:Sea"})


@settings(deadline=None, max_examples=40)
@given(ANYTHING)
def test_nothing_said_gets_out_of_its_comment(summary: str) -> None:
    said = dataclasses.replace(diagnosis(), summary=summary)
    plain = of_program(dataclasses.replace(diagnosis(), summary="x"), options("--env", "dummy")).text
    text = of_program(said, options("--env", "dummy")).text
    assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(plain))
    assert metadata(text) == metadata(plain)


@settings(deadline=None, max_examples=40)
@given(
    env=st.sampled_from(["dummy", "v3", "original"]),
    policy=st.sampled_from(["MlpPolicy", "MlpLstmPolicy"]),
    vec_env=st.sampled_from(["dummy", "subproc"]),
    start=st.sampled_from(["default", "spawn", "fork"]),
    threads=st.sampled_from([(), ("--threads", "2")]),
    adapter=st.sampled_from(["off", "on"]),
    conservative=st.sampled_from(["off", "on"]),
    episodes=st.sampled_from([(), ("--episode-steps", "50")]),
)
def test_whatever_was_asked_for_it_is_a_program(
    env: str, policy: str, vec_env: str, start: str, threads: Any, adapter: str, conservative: str, episodes: Any
) -> None:
    words = ("--env", env, "--policy", policy, "--vec-env", vec_env, "--start-method", start, "--adapter", adapter,
             "--conservative", conservative, *threads, *episodes)  # fmt: skip
    if training.refuses(words) is None:
        text = of_program(diagnosis(), options(*words)).text
        compile(text, "reproducer.py", "exec")
        assert all(Requirement(item).specifier for item in metadata(text)["dependencies"])


def test_it_trains_and_says_how_long_rollout_and_update_take(tmp_path: Path) -> None:
    words = ("--env", "dummy", "--n-steps", "64", "--batch-size", "32", "--n-epochs", "1", "--threads", "1")
    path = tmp_path / "reproducer.py"
    path.write_text(of_program(diagnosis(), options(*words, "--device", "cpu")).text, encoding="utf-8")
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=200, check=True)
    lines = [line.partition(" took ")[0] for line in done.stdout.splitlines()]
    assert lines == [f"step {step}: the {what}" for step in (64, 128) for what in ("rollout", "update")]
