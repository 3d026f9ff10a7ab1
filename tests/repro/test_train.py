"""The training entry as a cell runs it: a real process."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO

import repro
from repro.bars import Bars
from repro.envs import ENVIRONMENTS
from repro.market import synthetic_market
from repro.train import clear_gpu_memory, main

from .conftest import SMALL, Program, rows_of, write_csv


def failure(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on standard error of a run with a wrong option."""
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_trains_and_says_so(name: str, program: Program) -> None:
    done = program("--env", name, *SMALL)
    assert (done.returncode, done.stderr) == (0, "")
    first, *between, last = done.stdout.splitlines()
    assert first.startswith(f"repro: env={name} ")
    assert re.search(r"n_steps=64 .* \| python=3\S+ torch=\S+ stable-baselines3=\S+ sb3-contrib=\S+", first)
    assert sum("total_timesteps" in line for line in between) == 2
    assert re.fullmatch(r"done: 128 steps in \d+\.\d s", last)


def test_the_same_seed_trains_the_same_weights_and_saves_them(market_env: str, in_folder: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main(["--env", market_env, "--seed", seed, "--save", f"{name}.zip", *SMALL]) == 0
    weights = [RecurrentPPO.load(in_folder / f"{name}.zip").policy.action_net.weight for name in "abc"]
    assert bool((weights[0] == weights[1]).all())
    assert not bool((weights[0] == weights[2]).all())


def test_options_reach_the_model(plain_env: str, in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    algorithm = {"gamma": 0.9, "gae-lambda": 0.8, "ent-coef": 0.02, "vf-coef": 0.4, "max-grad-norm": 0.3}
    words = [word for name, value in algorithm.items() for word in (f"--{name}", str(value))]
    network = ("--net-arch", "8,4", "--activation", "tanh", "--enable-critic-lstm", "false", "--n-lstm-layers", "2")
    rates = ("--learning-rate", "0.002", "--clip-range", "0.1", "--target-kl", "0.5", "--episode-steps", "16")
    assert main(["--env", plain_env, *SMALL, *words, *network, *rates, "--save", "m.zip"]) == 0
    model = RecurrentPPO.load(in_folder / "m.zip")
    assert {name: getattr(model, name.replace("-", "_")) for name in algorithm} == algorithm
    assert (model.learning_rate, model.clip_range(1.0), model.target_kl) == (0.002, 0.1, 0.5)
    assert (model.n_steps, model.batch_size, model.n_epochs, model.num_timesteps) == (64, 32, 1, 128)
    assert model.policy.net_arch == [8, 4]
    assert model.policy.activation_fn.__name__ == "Tanh"
    assert model.policy.lstm_critic is None
    assert model.policy.lstm_actor.num_layers == 2
    assert re.search(r"ep_len_mean\s+\| 16 ", capsys.readouterr().out)


@pytest.mark.usefixtures("in_folder")
def test_threads_are_torch_s(plain_env: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    assert main(["--env", plain_env, "--policy", "MlpPolicy", "--threads", "3", *SMALL]) == 0
    assert asked == [3]


@pytest.mark.parametrize("available", [True, False])
def test_gpu_memory_is_cleared_only_where_there_is_a_gpu(available: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    cleared: list[bool] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: cleared.append(True))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    clear_gpu_memory()
    assert cleared == [True] * available


@pytest.mark.usefixtures("in_folder")
def test_without_tqdm_and_rich_there_is_a_note_instead_of_a_progress_bar(
    plain_env: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("tqdm", "rich") else real(name))
    assert main(["--env", plain_env, "--policy", "MlpPolicy", "--progress", "on", *SMALL]) == 0
    assert capsys.readouterr().err == "repro: no progress bar, tqdm and rich not installed\n"


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_workers_of_every_start_method_find_the_environments(method: str, market_env: str, program: Program) -> None:
    workers = ("--n-envs", "2", "--vec-env", "subproc", "--start-method", method, "--total-timesteps", "128")
    done = program("--env", market_env, "--policy", "MlpPolicy", *SMALL, *workers)
    assert (done.returncode, done.stderr) == (0, "")
    assert "done: 128 steps" in done.stdout


def test_the_users_bars_are_traded(market_env: str, market: Bars, program: Program, tmp_path: Path) -> None:
    write_csv(tmp_path / "bars.csv", rows_of(market)[:1000])
    done = program("--env", market_env, "--bars", "bars.csv", "--episode-steps", "100", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "bars=bars.csv" in done.stdout


def test_modules_beside_the_program_and_in_the_users_folder_shadow_nothing(
    plain_env: str, program: Program, tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    for name in ("envs", "market", "options", "train", "probes", "matrix", "reports"):
        (tmp_path / "site" / f"{name}.py").write_text("THEIRS = True\n")
    names = "envs, market, options, train, probes, matrix, reports"
    # A .pth-like start-up file stands for whatever imports the user's own modules while we train.
    (tmp_path / "site" / "look.py").write_text(f"import {names}\nassert all(m.THEIRS for m in ({names}))\n")
    folder = str(Path(repro.__file__).parent)
    code = (
        "import runpy, sys; sys.argv[1:] = sys.argv[2:]\n"
        # The tests' own environment may hold an editable install of ours, a cell's does not.
        f"sys.path[:] = [path for path in sys.path if path != {str(Path(folder).parent)!r}]\n"
        f"try: runpy.run_path({folder!r}, run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        f"sys.path.append({str(tmp_path / 'site')!r})\n"
        "import look, repro\n"
        f"assert {folder!r} not in sys.path and {str(Path(folder).parent)!r} not in sys.path\n"
        "print('nothing shadowed')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, folder, "--env", plain_env, *SMALL],
        cwd=tmp_path,
        env={"OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.endswith("nothing shadowed\n"), done.stderr


def test_it_runs_as_a_module_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "repro", "--help"],
        cwd=Path(repro.__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("usage: repro ")


def test_the_adapter_breaks_in_the_first_update(plain_env: str, program: Program) -> None:
    # Episodes of 1000 steps: the first minibatch is then one sequence of 64 steps, as in the report.
    done = program("--env", plain_env, "--adapter", "on", "--n-steps", "1024", "--episode-steps", "1000")
    assert done.returncode == 1
    assert "adapted from: an untrained single-ticker model made for this run" in done.stdout
    assert done.stderr.endswith("RuntimeError: Expected hidden[0] size (1, 64, 256), got [1, 1, 256]\n")
    assert ", in train\n" in done.stderr
    assert ", in collect_rollouts\n" not in done.stderr


def test_the_adapter_breaks_in_the_first_step_with_several_environments(plain_env: str, program: Program) -> None:
    done = program("--env", plain_env, "--adapter", "on", "--n-envs", "4", *SMALL)
    assert done.returncode == 1
    assert done.stderr.endswith("RuntimeError: Expected hidden[0] size (1, 1, 16), got [1, 4, 16]\n")
    assert ", in collect_rollouts\n" in done.stderr


def test_the_conservative_settings_never_train(plain_env: str, program: Program) -> None:
    """The rollout buffer keeps its 2048 places, so that 1024 steps leave it half empty."""
    done = program("--env", plain_env, "--conservative", "on", "--lstm-hidden-size", "16")
    assert done.returncode == 1
    assert done.stderr.endswith("AssertionError: Rollout buffer must be full before sampling from it\n")
    assert re.search(r"total_timesteps\s+\| 1024 ", done.stdout)
    assert "n_updates" not in done.stdout


@pytest.mark.usefixtures("in_folder")
def test_conservative_settings_of_the_size_it_was_built_with_train(plain_env: str) -> None:
    same = ("--conservative-n-steps", "64", "--conservative-batch-size", "16")
    assert main(["--env", plain_env, "--conservative", "on", *same, "--clear-gpu-memory", "on", *SMALL]) == 0


@pytest.mark.usefixtures("in_folder")
def test_the_control_without_recurrence_is_ppo(plain_env: str) -> None:
    assert main(["--env", plain_env, "--policy", "MlpPolicy", *SMALL, "--save", "ppo.zip"]) == 0
    assert PPO.load("ppo.zip").num_timesteps == 128


def test_a_wrong_option_is_answered_before_torch_is_imported() -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['repro', '--env', 'none']\n"
        f"try: runpy.run_path({str(Path(repro.__file__).parent)!r}, run_name='__main__')\n"
        "except SystemExit as stop: print(stop.code, {'torch', 'numpy', 'gymnasium'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "2 set()\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--env none", "repro: --env: 'none' is not one of"),
        ("--gamma 2", "repro: --gamma: '2' is not a number above 0 and at most 1"),
        ("--learning-rate -1e-4", "repro: --learning-rate: '-1e-4' is not a number above 0"),
        ("--total-timesteps 0", "repro: --total-timesteps: '0' is not a whole number 1 or more"),
        ("--n-steps 65", "repro: --batch-size: 64 leaves a last minibatch of one sample"),
        ("--frobnicate", "repro: --frobnicate: there is no such option"),
        ("--save no/where.zip", "repro: --save: 'no/where.zip' lies in a folder that does not exist"),
        ("--device cuda:63", "repro: --device: 'cuda:63' asks for a CUDA device, torch finds"),
        ("--adapter on --base-model none.zip", "repro: --base-model: 'none.zip' can't be read: No such file"),
        ("--adapter on --base-model text.zip", "repro: --base-model: 'text.zip' is not a model saved by"),
    ],
)
def test_wrong_options_end_with_code_2_and_one_line(
    arguments: str, says: str, program: Program, tmp_path: Path
) -> None:
    (tmp_path / "text.zip").write_text("no archive")
    assert failure(program(*arguments.split())).startswith(says)


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("missing", "'bars.csv' can't be read: No such file"),
        ("columns", "missing columns: volume (found"),
        ("gap", "gap: NVDA has no bar at 2024-01-02T09:32:00, the other share has"),
        ("NaN", "row 3, column 'close': is missing or NaN"),
        ("text", "row 3, column 'close': 'x' is not a number"),
        ("unsorted", "row 3 is earlier than row 1"),
        ("duplicate", "row 3 repeats the timestamp of row 1"),
        ("price", "row 3, column 'low': is -1, must be above 0"),
        ("short", "too short: 100 minutes of bars, need at least 161"),
    ],
)
def test_bars_that_are_no_good_end_with_code_2_and_one_line(
    case: str, says: str, market_env: str, program: Program, tmp_path: Path
) -> None:
    rows = rows_of(synthetic_market(seed=0, n_minutes=100))
    if case == "columns":
        rows = [{name: value for name, value in row.items() if name != "volume"} for row in rows]
    elif case == "gap":
        del rows[4]
    elif case in ("NaN", "text"):
        rows[2]["close"] = {"NaN": "nan", "text": "x"}[case]
    elif case == "unsorted":
        rows.reverse()
    elif case == "duplicate":
        rows[2]["timestamp"] = rows[0]["timestamp"]
    elif case == "price":
        rows[2]["low"] = -1
    if case != "missing":
        write_csv(tmp_path / "bars.csv", rows)
    done = program("--env", market_env, "--bars", "bars.csv", "--episode-steps", "100")
    assert failure(done).startswith(f"repro: --bars: {says}")


def test_bars_for_an_environment_without_a_market_are_refused(plain_env: str, program: Program) -> None:
    said = failure(program("--env", plain_env, "--bars", "bars.csv"))
    assert said == f"repro: --bars: 'bars.csv' is of no use: environment {plain_env} reads no bars\n"


@pytest.mark.usefixtures("in_folder")
def test_a_base_model_for_two_shares_is_refused(plain_env: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--env", plain_env, "--save", "dual.zip", *SMALL]) == 0
    assert main(["--env", plain_env, "--adapter", "on", "--base-model", "dual.zip", *SMALL]) == 2
    said = capsys.readouterr().err
    assert said == "repro: --base-model: the base model has 26 observations and 9 actions, must have 13 and 3\n"
