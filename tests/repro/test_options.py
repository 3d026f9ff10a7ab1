from __future__ import annotations

import re

import pytest

from repro.envs import ENVIRONMENTS
from repro.options import Options, UsageError, parse, parser

REPORTED = {
    "n_steps": 2048,
    "batch_size": 64,
    "n_epochs": 10,
    "learning_rate": 1e-4,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "clip_range": 0.2,
    "ent_coef": 0.01,
    "vf_coef": 0.5,
    "max_grad_norm": 0.5,
    "net_arch": [64, 64],
    "activation": "relu",
    "lstm_hidden_size": 256,
    "n_lstm_layers": 1,
    "enable_critic_lstm": "true",
    "policy": "MlpLstmPolicy",
    "n_envs": 1,
    "vec_env": "dummy",
    "conservative_n_steps": 1024,
    "conservative_batch_size": 32,
}


def test_the_defaults_are_the_configuration_of_the_report() -> None:
    options = parse([])
    assert {name: getattr(options, name) for name in REPORTED} == REPORTED


def test_every_option_is_declared_with_its_type() -> None:
    assert set(vars(parse([]))) == set(Options.__annotations__)


def test_two_rollouts_are_the_default() -> None:
    assert parse([]).steps_to_learn == 4096
    assert parse(["--n-steps", "100"]).steps_to_learn == 200
    assert parse(["--total-timesteps", "7"]).steps_to_learn == 7


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [
        ("", None),
        ("--adapter on", 0.01),
        ("--adapter on --target-kl none", None),
        ("--target-kl 0.5", 0.5),
        ("--target-kl auto --adapter on", 0.01),
    ],
)
def test_the_kl_limit_depends_on_the_adapter_unless_given(arguments: str, limit: float | None) -> None:
    assert parse(arguments.split()).kl_limit == limit


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1", "auto"])
def test_devices_are_named_as_in_torch(device: str) -> None:
    assert parse(["--device", device]).device == device


def test_help_names_every_option_every_environment_and_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parse(["--help"])
    text = capsys.readouterr().out
    assert all(f"--{name.replace('_', '-')}" in text for name in Options.__annotations__)
    assert all(name in text for name in ENVIRONMENTS)
    assert "examples:" in text


def test_the_examples_in_the_help_parse() -> None:
    lines = re.findall(r"python path/to/repro (--.*)", parser().format_help())
    assert len(lines) == 6
    for line in lines:
        parse(line.split())


WRONG = [
    ("--n-steps 0", "--n-steps: '0' is not a whole number 1 or more"),
    ("--n-steps -5", "--n-steps: '-5' is not a whole number 1 or more"),
    ("--n-steps 2.5", "--n-steps: '2.5' is not a whole number 1 or more"),
    ("--n-steps=many", "--n-steps: 'many' is not a whole number 1 or more"),
    ("--total-timesteps 0", "--total-timesteps: '0' is not a whole number 1 or more"),
    ("--batch-size 1", "--batch-size: '1' is not a whole number 2 or more"),
    ("--n-epochs 0", "--n-epochs: '0' is not a whole number 1 or more"),
    ("--n-envs 0", "--n-envs: '0' is not a whole number 1 or more"),
    ("--episode-steps 0", "--episode-steps: '0' is not a whole number 1 or more"),
    ("--threads 0", "--threads: '0' is not a whole number 1 or more"),
    ("--lstm-hidden-size 0", "--lstm-hidden-size: '0' is not a whole number 1 or more"),
    ("--n-lstm-layers -1", "--n-lstm-layers: '-1' is not a whole number 1 or more"),
    ("--conservative-n-steps 0", "--conservative-n-steps: '0' is not a whole number 1 or more"),
    ("--conservative-batch-size 1", "--conservative-batch-size: '1' is not a whole number 2 or more"),
    ("--seed -1", "--seed: '-1' is not a whole number from 0 to 4294967295"),
    ("--seed 4294967296", "--seed: '4294967296' is not a whole number from 0 to 4294967295"),
    ("--verbose 3", "--verbose: '3' is not a whole number from 0 to 2"),
    ("--learning-rate 0", "--learning-rate: '0' is not a number above 0"),
    ("--learning-rate -1e-4", "--learning-rate: '-1e-4' is not a number above 0"),
    ("--learning-rate nan", "--learning-rate: 'nan' is not a number above 0"),
    ("--learning-rate -inf", "--learning-rate: '-inf' is not a number above 0"),
    ("--learning-rate fast", "--learning-rate: 'fast' is not a number above 0"),
    ("--gamma 0", "--gamma: '0' is not a number above 0 and at most 1"),
    ("--gamma 1.01", "--gamma: '1.01' is not a number above 0 and at most 1"),
    ("--gae-lambda -0.1", "--gae-lambda: '-0.1' is not a number 0 or more and at most 1"),
    ("--gae-lambda 2", "--gae-lambda: '2' is not a number 0 or more and at most 1"),
    ("--clip-range 0", "--clip-range: '0' is not a number above 0"),
    ("--ent-coef -1", "--ent-coef: '-1' is not a number 0 or more"),
    ("--vf-coef inf", "--vf-coef: 'inf' is not a number 0 or more"),
    ("--max-grad-norm 0", "--max-grad-norm: '0' is not a number above 0"),
    ("--target-kl 0", "--target-kl: '0' is not a number above 0, nor auto or none"),
    ("--net-arch 64,", "--net-arch: '64,' is not a list of sizes like 64,64"),
    ("--net-arch 64,0", "--net-arch: '64,0' is not a list of sizes like 64,64"),
    ("--activation rellu", "--activation: 'rellu' is not one of relu, tanh, did you mean relu?"),
    ("--adapter yes", "--adapter: 'yes' is not one of off, on"),
    ("--conservative ON", "--conservative: 'ON' is not one of off, on, did you mean on?"),
    ("--enable-critic-lstm no", "--enable-critic-lstm: 'no' is not one of true, false"),
    ("--policy MlpLstm", "--policy: 'MlpLstm' is not one of MlpLstmPolicy, MlpPolicy"),
    ("--vec-env subprocess", "--vec-env: 'subprocess' is not one of dummy, subproc, did you mean subproc?"),
    ("--start-method thread", "--start-method: 'thread' is not one of"),
    ("--device gpu", "--device: 'gpu' is not cpu, cuda, cuda:N, mps or auto, did you mean cpu?"),
    ("--device cuda:x", "--device: 'cuda:x' is not cpu, cuda, cuda:N, mps or auto, did you mean cuda?"),
    ("--nsteps 4", "--nsteps: there is no such option, did you mean --n-steps?; --help lists all"),
    ("--n-steps", "--n-steps: expected one argument"),
    ("train", "train: there is no such option"),
]


@pytest.mark.parametrize(("arguments", "says"), WRONG)
def test_a_wrong_value_is_one_line_with_option_value_and_what_is_right(
    arguments: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(arguments.split())
    said = capsys.readouterr()
    assert said.err.startswith(f"repro: {says}")
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_an_unknown_environment_lists_the_known_and_the_closest(capsys: pytest.CaptureFixture[str]) -> None:
    name = next(iter(ENVIRONMENTS))
    with pytest.raises(SystemExit, match="2"):
        parse(["--env", f"{name}x"])
    assert capsys.readouterr().err == (
        f"repro: --env: '{name}x' is not one of {', '.join(ENVIRONMENTS)}, did you mean {name}?\n"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--adapter on --policy MlpPolicy", "--adapter: on needs --policy MlpLstmPolicy, not MlpPolicy"),
        ("--base-model base.zip", "--base-model: 'base.zip' is for the adapter, add --adapter on"),
        ("--save nowhere/model.zip", "--save: 'nowhere/model.zip' lies in a folder that does not exist"),
        ("--n-steps 1", "--n-steps: 1 with one environment is a rollout of one sample"),
        ("--n-steps 65", "--batch-size: 64 leaves a last minibatch of one sample out of 65"),
    ],
)
def test_options_that_do_not_go_together_are_told(arguments: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(arguments.split())
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    "arguments", ["--batch-size 5000", "--n-steps 100 --batch-size 64", "--n-steps 65 --policy MlpPolicy", "--gamma 1"]
)
def test_unusual_values_that_work_are_allowed(arguments: str) -> None:
    parse(arguments.split())
