"""Pieces train what one call of ``learn`` would have, bit by bit; what can't be trained is told in one line."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro.extend import piece, waiting
from tests.repro.extend.conftest import Trainee

pytest.importorskip("sb3_contrib")

Make = Callable[..., Trainee]
_TINY: dict[str, Any] = {"policy_kwargs": {"net_arch": [8]}}
_ROLLOUT: dict[str, Any] = {**_TINY, "n_steps": 32, "batch_size": 16, "n_epochs": 2}
_REPLAY: dict[str, Any] = {**_TINY, "learning_starts": 40, "buffer_size": 500, "batch_size": 16}


def _noise() -> Any:
    from stable_baselines3.common.noise import OrnsteinUhlenbeckActionNoise

    return OrnsteinUhlenbeckActionNoise(np.zeros(1), np.ones(1))


_TRPO = {**_TINY, "n_steps": 32, "batch_size": 16, "n_critic_updates": 3, "cg_max_steps": 3}
_SCHEDULES = {"use_sde": True, "learning_rate": lambda left: 1e-3 * left, "clip_range": lambda left: 0.2 * left}
_LSTM = {**_ROLLOUT, "policy_kwargs": {"net_arch": [8], "lstm_hidden_size": 4}}
_CASES: list[tuple[str, str, bool, dict[str, Any]]] = [
    ("PPO", "BoxNoise", True, {**_ROLLOUT, **_SCHEDULES}),
    ("RecurrentPPO", "Noise", False, _LSTM),
    ("RecurrentPPO", "Noise", True, _LSTM),
    ("MaskablePPO", "Noise", False, _ROLLOUT),
    ("A2C", "Noise", True, {**_TINY, "n_steps": 5}),
    ("TRPO", "BoxNoise", False, _TRPO),
    ("DQN", "Noise", False, {**_REPLAY, "train_freq": 2, "target_update_interval": 30}),
    ("QRDQN", "Noise", True, {**_REPLAY, "train_freq": 3}),
    ("SAC", "BoxNoise", True, {**_REPLAY, "use_sde": True}),
    ("TD3", "BoxNoise", False, {**_REPLAY, "policy_delay": 3, "action_noise": _noise}),
    ("DDPG", "BoxNoise", False, {**_REPLAY, "train_freq": (1, "episode")}),
    ("TQC", "BoxNoise", False, _REPLAY),
    ("CrossQ", "BoxNoise", False, {**_REPLAY, "policy_delay": 3}),
    ("ARS", "BoxNoise", True, {"n_delta": 2}),
]


@pytest.mark.parametrize(("algorithm", "env", "normalised", "parameters"), _CASES)
def test_pieces_equal_one_uninterrupted_learn(
    trainee: Make, algorithm: str, env: str, normalised: bool, parameters: dict[str, Any]
) -> None:
    from repro.extend import weights
    from repro.extend.algorithms import by_name

    given = {name: value() if value is _noise else value for name, value in parameters.items()}
    policy = {"RecurrentPPO": "MlpLstmPolicy", "ARS": "LinearPolicy"}.get(algorithm, "MlpPolicy")
    base = trainee(algorithm, env, policy, normalised=normalised, **given)
    to = base.begin + 128
    pieces = base.in_pieces(to, 30)
    assert len(pieces) > 1
    for before, after in itertools.pairwise(pieces):
        assert after["before"] == before["after"]
        assert after["environment_lost_before"] is None

    plain = by_name(algorithm).load(base.base, env=base.venv(), device="cpu")
    plain.learn(128, reset_num_timesteps=False)
    assert pieces[-1]["after"]["weights"] == weights.digest(plain)
    assert pieces[-1]["after"]["steps"] == plain.num_timesteps
    last = by_name(algorithm).load(base.folder / f"p{len(pieces)}" / "model.zip", device="cpu")
    counters = ("_num_timesteps_at_start", "_total_timesteps", "_current_progress_remaining", "_episode_num")
    assert [getattr(last, name) for name in counters] == [getattr(plain, name) for name in counters]


@pytest.mark.parametrize(("env", "why"), [("MadeAnew", "EzPickle"), ("Unpicklable", "can't be pickled")])
def test_an_environment_that_has_no_state_to_pickle_begins_anew_and_that_is_told(
    trainee: Make, env: str, why: str
) -> None:
    first, second, *_ = trainee("PPO", env, "MlpPolicy", **_ROLLOUT).in_pieces(96 + 64, 30)
    assert first["environment_lost_before"] is None
    assert why in second["environment_lost_before"]
    assert second["before"] == first["after"]


def test_an_environment_in_workers_has_no_state_here() -> None:
    from repro.extend import environment

    with pytest.raises(environment.StateLostError, match="it is in the workers of Workers"):
        environment.taken(type("Workers", (), {})())


def test_a_checkpoint_can_be_loaded_as_any_other_model(trainee: Make) -> None:
    from stable_baselines3 import DQN

    base = trainee("DQN", "Noise", "MlpPolicy", **_REPLAY)
    assert base.piece(base.begin + 50, 50, "one") == 0
    model = DQN.load(base.folder / "one" / "model.zip", env=base.venv())
    assert model.num_timesteps == base.begin + 52  # train_freq is 4
    model.load_replay_buffer(base.folder / "one" / "replay_buffer.pkl")
    assert model.replay_buffer.size() == 52


@pytest.mark.parametrize(
    ("env", "more", "says"),
    [
        ("BoxNoise", (), "does not fit --env"),
        ("NoSuch", (), "can't be made: AttributeError"),
        ("Noise", ("--replay-buffer", "{base}"), "--replay-buffer"),
        ("Noise", ("--vec-normalize", "{base}"), "--vec-normalize"),
    ],
)
def test_what_can_not_be_trained_is_answered_in_one_line(
    trainee: Make, env: str, more: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    base = trainee("DQN", "Noise", "MlpPolicy", **_REPLAY)
    base.env = env
    assert base.piece(base.begin + 50, 50, "one", None, *(word.format(base=base.base) for word in more)) == 2
    assert says in base.refusal()
    assert "\n" not in base.refusal()
    assert capsys.readouterr().err == f"repro: {base.refusal()}\n"
    assert not (base.folder / "one").exists()


def test_another_algorithms_file_is_refused(trainee: Make) -> None:
    base = trainee("A2C", "Noise", "MlpPolicy", **_TINY)
    base.algorithm = "DQN"
    assert base.piece(base.begin + 50, 50, "one") == 2
    assert "can't be loaded as DQN" in base.refusal()


def test_a_full_disk_leaves_no_half_checkpoint(trainee: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    base = trainee("PPO", "Noise", "MlpPolicy", **_ROLLOUT)

    def dump(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("repro.extend.checkpoint.write_state", dump)
    assert base.piece(base.begin + 32, 32, "one") == 2
    assert "No space left on device; make room or name another --out" in base.refusal()
    assert {path.name for path in base.folder.iterdir()} == {"base.zip", "answer.json"}


def test_an_error_of_the_environments_own_goes_through(trainee: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.repro.extend import environments

    base = trainee("PPO", "Noise", "MlpPolicy", **_ROLLOUT)

    def step(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(environments.Noise, "step", step)
    with pytest.raises(ZeroDivisionError):
        base.piece(base.begin + 32, 32, "one")
    assert not (base.folder / "one").exists()


def test_a_state_is_put_back_only_into_an_environment_that_was_made_in_the_same_way(trainee: Make) -> None:
    from repro.extend import environment

    base = trainee("PPO", "Noise", "MlpPolicy", **_ROLLOUT)
    one, other = base.venv(), base.venv()
    one.reset()
    pickled = environment.taken(one)
    other.reset()
    other.step([0])
    environment.put_back(other, pickled)
    np.testing.assert_array_equal(one.step([0])[0], other.step([0])[0])
    base.normalised = True
    with pytest.raises(environment.StateLostError, match="now made of VecNormalize, DummyVecEnv"):
        environment.put_back(base.venv(), pickled)


def test_a_piece_that_waits_takes_its_words_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "words.json"
    monkeypatch.setattr(waiting, "_warm_up", lambda: place.write_text('["--algorithm", "PPO"]'))
    assert waiting.words_of(["--await", str(place)]) == ["--algorithm", "PPO"]


def test_a_piece_that_waits_ends_with_whoever_started_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parents = itertools.chain([7, 7, 7], itertools.repeat(1))
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    assert piece.main(["--await", str(tmp_path / "words.json")]) == 0
