"""Odd but honest histories, and forgeries that hide in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from stable_baselines3.common.env_util import make_vec_env

from matrix.extending.ledger import Ledger
from repro.checkpoints.audit import audit
from repro.checkpoints.case import Verdict
from repro.checkpoints.errors import CheckpointError
from repro.checkpoints.ledger import _sha256 as sha256
from tests.repro.checkpoints.conftest import KIND, Rewrite, grounds_of, kinds_of
from tests.repro.checkpoints.making import STEPS, Kind, Market, SaveAt, optimisers, quiet

SIZE: dict[str, Any] = {"policy_kwargs": {"net_arch": [64, 64]}}


def test_two_checkpoints_of_one_rollout_have_the_same_weights_honestly(ppo: Kind, tmp_path: Path) -> None:
    first, second = tmp_path / "1.zip", tmp_path / "2.zip"
    with quiet():
        ppo.model(n_steps=64).learn(128, callback=SaveAt(70, first, stop=True))
        ppo.model(n_steps=64).learn(128, callback=SaveAt(120, second, stop=True))
    found = audit(second, first)
    assert found.verdict is Verdict.TRAINED
    assert "nothing-to-train-since-base" in kinds_of(found)


def test_settings_that_changed_between_calls_are_no_fraud(ppo: Kind, base: Path, tmp_path: Path) -> None:
    path, later = tmp_path / "coarse.zip", tmp_path / "back.zip"
    with quiet():
        env = make_vec_env(Market, n_envs=4, env_kwargs={"discrete": False})
        coarse = ppo.algorithm.load(base, env=env, n_steps=64, batch_size=64, n_epochs=1)
        coarse.learn(512, reset_num_timesteps=False).save(path)
        back = ppo.algorithm.load(path, env=ppo.model().env, **{**ppo.settings, "n_epochs": 4})
        back.learn(64, reset_num_timesteps=False).save(later)
    assert [audit(path).is_false, audit(path, base).is_false] == [False, False]
    assert [audit(later).is_false, audit(later, base).is_false, audit(later, path).is_false] == [False, False, False]


def test_a_file_that_was_only_loaded_with_other_settings_is_its_base(ppo: Kind, base: Path, tmp_path: Path) -> None:
    with quiet():
        ppo.algorithm.load(base, n_epochs=20).save(tmp_path / "loaded.zip")
    assert audit(tmp_path / "loaded.zip", base).verdict is Verdict.TRAINED
    assert audit(tmp_path / "loaded.zip", given={"n_epochs": 2}).verdict is Verdict.TRAINED


def test_what_was_only_collected_is_told_so(tmp_path: Path) -> None:
    with quiet():
        KIND["DQN"].model(learning_starts=500).learn(100).save(tmp_path / "collected.zip")
    assert "nothing was trained on them yet" in audit(tmp_path / "collected.zip").document["summary"]


def test_weights_of_another_model_are_told_however_long_it_trained(ppo: Kind, tmp_path: Path) -> None:
    base, on, other, forged = (tmp_path / f"{name}.zip" for name in ("base", "on", "other", "forged"))
    with quiet():
        model = ppo.model(seed=1, learning_rate=3e-2, **SIZE).learn(64)
        model.save(base)
        model.learn(STEPS, reset_num_timesteps=False).save(on)
        ppo.model(seed=2, learning_rate=3e-2, **SIZE).learn(64).save(other)
        model.policy.load_state_dict(ppo.algorithm.load(other).policy.state_dict())
        model.save(forged)
    assert audit(on, base).verdict is Verdict.TRAINED
    assert audit(forged, base).verdict is Verdict.WEIGHTS_REPLACED
    assert "unrelated-weights" in kinds_of(audit(forged, base))
    assert "changed-without-optimiser" in kinds_of(audit(forged, on))


def test_a_little_noise_does_not_make_a_training(ppo: Kind, tmp_path: Path) -> None:
    base, forged = tmp_path / "base.zip", tmp_path / "forged.zip"
    with quiet(), torch.no_grad():
        with torch.enable_grad():
            model = ppo.model(seed=1, **SIZE).learn(STEPS)
        model.save(base)
        for parameter in model.policy.parameters():
            parameter.add_(torch.randn_like(parameter) * 1e-5)
        for optimiser in optimisers(model):
            for state in optimiser.state.values():
                state["step"] = state["step"] * 10
                for moment in ("exp_avg", "exp_avg_sq"):
                    state[moment] = state[moment] * (1 + 1e-3 * torch.randn_like(state[moment]))
        model.num_timesteps = model._total_timesteps = STEPS * 10
        model._n_updates *= 10
        model.save(forged)
    found = audit(forged, base)
    assert found.verdict is Verdict.COUNTER_EDITED
    assert "moments-of-base" in kinds_of(found)


def test_a_base_of_another_kind_of_algorithm_is_refused(base: Path, tmp_path: Path) -> None:
    with quiet():
        KIND["DQN"].model().learn(10).save(tmp_path / "dqn.zip")
    with pytest.raises(CheckpointError, match=r"dqn\.zip: a model of DQN, and base\.zip is one of PPO"):
        audit(base, tmp_path / "dqn.zip")


def _ledger(folder: Path, model: Path, **changed: Any) -> Ledger:
    ledger = Ledger(folder)
    ledger.append("begin", base={"sha256": "0" * 64, "steps": 64}, algorithm="PPO", to=192)
    for number, (begin, end) in enumerate([(64, 128), (128, 192)], start=1):
        ledger.append(
            "piece",
            number=number,
            before={"steps": begin, "weights": f"w{begin}"},
            after={"steps": end, "weights": f"w{end}"},
            files={"model.zip": {"sha256": sha256(model) if end == 192 else "1" * 64}},
            verdict="healthy",
            **changed,
        )
    return ledger


def test_the_ledger_of_extend_is_read(rewrite: Rewrite, tmp_path: Path) -> None:
    path = rewrite()
    ledger = _ledger(tmp_path, path)
    found = audit(path)
    assert found.document["ledger"] == str(ledger.path)
    assert "2 pieces from step 64 to 192" in grounds_of(found)
    assert "ledger-silent" in kinds_of(audit(rewrite({"num_timesteps": 300}, name="forged.zip")))
    assert audit(rewrite({"num_timesteps": 300}, name="forged.zip")).is_false
    content = ledger.path.read_text()
    ledger.path.write_text(content.replace('"healthy"', '"crash"', 1))
    assert "ledger-changed" in kinds_of(audit(path))
    ledger.path.write_text(content.replace('"steps": 192', '"steps": 193'))
    assert "ledger-contradicts" in kinds_of(audit(path))
    ledger.path.write_text("notes of mine\n")
    assert audit(path).document["ledger"] is None
    with pytest.raises(CheckpointError, match="no ledger of freezelab extend"):
        audit(path, ledger=ledger.path)
    with pytest.raises(CheckpointError, match="No such file"):
        audit(path, ledger=tmp_path / "none.jsonl")


@pytest.mark.parametrize("settings", [{"n_epochs": 10}, {"batch_size": 8}, {"batch_size": 3}, {"n_steps": 4}])
def test_an_honest_model_that_was_only_loaded_with_other_settings_is_not_accused(
    settings: dict[str, int], ppo: Kind, base: Path, tmp_path: Path
) -> None:
    path = tmp_path / "loaded.zip"
    with quiet():
        ppo.algorithm.load(base, **settings).save(path)
    found = audit(path)
    assert found.verdict is Verdict.CANNOT_TELL
    name = next(iter(settings))
    assert f"if it was trained with {name} {ppo.settings[name]}, then loaded" in grounds_of(found)
    assert audit(path, base).verdict is Verdict.TRAINED


def test_one_that_went_on_and_was_then_loaded_with_other_settings_is_not_accused(
    ppo: Kind, base: Path, tmp_path: Path
) -> None:
    path = tmp_path / "loaded.zip"
    with quiet():
        ppo.algorithm.load(base, env=ppo.model().env).learn(100, reset_num_timesteps=False).save(path)
        ppo.algorithm.load(path, n_epochs=20).save(path)
    assert audit(path).verdict is Verdict.CANNOT_TELL
    assert not audit(path, base).is_false


def test_the_same_arithmetic_hides_no_forger_whose_episodes_and_optimiser_agree(rewrite: Rewrite) -> None:
    # Twice the steps would be explained by half the epochs.
    edited = {"num_timesteps": 384, "_total_timesteps": 384, "_current_progress_remaining": 0.0}
    found = audit(rewrite(edited))
    assert found.verdict is Verdict.COUNTER_EDITED
    assert "other-settings-throughout" in kinds_of(found)
    assert "The optimiser, which knows nothing of episodes, took the steps of 192, too" in grounds_of(found)


def test_what_nobody_can_tell_from_the_file_alone_is_said_to_be_so(ppo: Kind, base: Path, tmp_path: Path) -> None:
    """A count raised by hand between two trainings leaves what an adapter leaves that carries its base's count over."""
    said = []
    for true in (True, False):
        path = tmp_path / f"{true}.zip"
        with quiet():
            # An adapter's new model begins with the base's count, a forger puts the same in later.
            model = ppo.model(seed=7) if true else ppo.algorithm.load(base, env=ppo.model(seed=7).env)
            if true:
                model.policy.load_state_dict(ppo.algorithm.load(base).policy.state_dict())
                model.num_timesteps = 1600
                model.learn(STEPS, reset_num_timesteps=False)
            else:
                model.num_timesteps += 1600
            model.learn(64, reset_num_timesteps=False).save(path)
        found = audit(path)
        said.append((found.verdict, sorted(kinds_of(found)), found.document["counters"]["optimisers"]))
    assert said[0] == said[1]
    assert said[0][0] is Verdict.CANNOT_TELL


def test_an_optimiser_that_counts_nothing_is_no_ground_for_doubt_if_all_else_fits(ppo: Kind, tmp_path: Path) -> None:
    path = tmp_path / "sgd.zip"
    with quiet():
        model = ppo.model(policy_kwargs={"optimizer_class": torch.optim.SGD}).learn(STEPS)
        model.save(path)
        assert audit(path).verdict is Verdict.TRAINED
        model._n_updates = 3
        model.save(path)
    assert audit(path).verdict is Verdict.COUNTER_EDITED


@pytest.mark.parametrize("step", [20, 60, 102, 140, 170])
def test_a_search_that_was_saved_within_an_iteration_is_honest(step: int, tmp_path: Path) -> None:
    path = tmp_path / "within.zip"
    with quiet():
        KIND["ARS"].model(seed=2).learn(STEPS, callback=SaveAt(step, path))
    found = audit(path)
    assert found.verdict is Verdict.TRAINED
    assert found.document["shown_steps"] == step
