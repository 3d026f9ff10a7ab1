"""What the audit says of checkpoints that were trained, adapted and forged."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.utils import LinearSchedule

from repro.checkpoints.audit import audit
from repro.checkpoints.case import Verdict
from tests.repro.checkpoints.conftest import Rewrite, grounds_of, kinds_of, members_of
from tests.repro.checkpoints.making import KINDS, STEPS, Kind, SaveAt, forged, honest, quiet


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_honest_checkpoints_pass_and_forgeries_do_not(kind: Kind, tmp_path: Path) -> None:
    made = [*honest(kind, tmp_path, few=True), *forged(kind, tmp_path)]
    said = [(item, str(audit(item.path, item.against).verdict)) for item in made]
    assert [f"{item.name}: {verdict}, not {item.right}" for item, verdict in said if verdict not in item.right] == []


def test_the_arithmetic_is_told(base: Path, rewrite: Rewrite) -> None:
    found = audit(rewrite({"num_timesteps": 480}), base)
    assert found.verdict is Verdict.COUNTER_EDITED
    assert found.document["shown_steps"] == 192
    said = grounds_of(found)
    assert "15 rollouts × n_epochs 2 × 2 minibatches of 16 = 60 optimiser steps" in said
    assert "has taken 24" in said
    assert "exactly the base's" in said


def test_a_counter_edited_with_all_that_belongs_to_it_is_still_told_by_the_optimiser(rewrite: Rewrite) -> None:
    edited = {"num_timesteps": 384, "_total_timesteps": 384, "_n_updates": 24, "_current_progress_remaining": 0.0}
    found = audit(rewrite(edited))
    assert found.verdict is Verdict.COUNTER_EDITED
    assert "progress-fits" in kinds_of(found)


def test_scaling_everything_in_step_leaves_only_the_episodes_to_doubt_it(rewrite: Rewrite, base: Path) -> None:
    scaled = {"num_timesteps": 3840, "_total_timesteps": 3840, "_n_updates": 240, "_current_progress_remaining": 0.0}
    path = rewrite(scaled, {"policy.optimizer.pth": _with_steps(base, lambda step: step * 20)})
    found = audit(path)
    assert found.verdict is Verdict.CANNOT_TELL
    assert "steps-without-episodes" in kinds_of(found)
    assert audit(path, base).verdict is Verdict.COUNTER_EDITED


def test_steps_that_are_no_count_contradict_the_file(rewrite: Rewrite, base: Path) -> None:
    found = audit(rewrite({}, {"policy.optimizer.pth": _with_steps(base, lambda step: step + 0.5)}))
    assert found.verdict is Verdict.INCONSISTENT


def test_weights_of_a_network_that_was_just_made_do_not_pass_for_trained(ppo: Kind, base: Path, tmp_path: Path) -> None:
    with quiet():
        model = ppo.algorithm.load(base)
        model.policy.load_state_dict(ppo.model(seed=4).policy.state_dict())
        model.save(tmp_path / "swapped.zip")
    assert audit(tmp_path / "swapped.zip").verdict is Verdict.WEIGHTS_REPLACED


def test_weights_put_in_after_training_are_told_against_their_source_and_against_the_true_base(
    ppo: Kind, base: Path, tmp_path: Path
) -> None:
    other, swapped = tmp_path / "other.zip", tmp_path / "swapped.zip"
    with quiet():
        ppo.model(seed=5).learn(STEPS).save(other)
        model = ppo.algorithm.load(base, env=ppo.model().env).learn(64, reset_num_timesteps=False)
        model.policy.load_state_dict(ppo.algorithm.load(other).policy.state_dict())
        model.save(swapped)
    assert "weights-are-the-base's" in kinds_of(audit(swapped, other))
    assert audit(swapped, other).verdict is Verdict.WEIGHTS_REPLACED
    found = audit(swapped, base)
    assert found.verdict is Verdict.WEIGHTS_REPLACED
    assert "moved-too-far" in kinds_of(found)


def test_a_count_that_was_raised_before_going_on_is_told(ppo: Kind, base: Path, tmp_path: Path) -> None:
    with quiet():
        model = ppo.algorithm.load(base, env=ppo.model().env)
        model.num_timesteps = 1000
        model.learn(64, reset_num_timesteps=False).save(tmp_path / "raised.zip")
    assert audit(tmp_path / "raised.zip", base).is_false
    assert not audit(base, base).is_false


def test_an_adapted_model_is_no_fraud_unless_more_was_carried_over_than_there_was(
    ppo: Kind, base: Path, tmp_path: Path
) -> None:
    said = {}
    for carried in (192, 800):
        with quiet():
            model = ppo.model(seed=6)
            model.policy.load_state_dict(ppo.algorithm.load(base).policy.state_dict())
            model.num_timesteps = carried
            model.learn(96, reset_num_timesteps=False).save(tmp_path / "adapted.zip")
        said[carried] = audit(tmp_path / "adapted.zip", base)
        assert audit(tmp_path / "adapted.zip").document["shown_steps"] == 96
    assert said[192].verdict is Verdict.OPTIMISER_RESET
    assert said[800].verdict is Verdict.COUNTER_EDITED


@pytest.mark.parametrize("target_kl", [None, 1e-9, 2e-3])
def test_updates_that_end_early_are_honest(ppo: Kind, target_kl: float | None, tmp_path: Path) -> None:
    with quiet():
        ppo.model(target_kl=target_kl, n_epochs=5, learning_rate=3e-3).learn(STEPS).save(tmp_path / "early.zip")
    assert audit(tmp_path / "early.zip").verdict is Verdict.TRAINED


@pytest.mark.parametrize("step", [1, 31, 32, 33, 100, 160])
def test_a_checkpoint_of_any_moment_is_honest(ppo: Kind, step: int, tmp_path: Path) -> None:
    with quiet():
        ppo.model().learn(STEPS, callback=SaveAt(step, tmp_path / "moment.zip", stop=True))
    assert audit(tmp_path / "moment.zip").verdict is Verdict.TRAINED


def test_a_linear_schedule_bears_witness_in_the_optimiser(ppo: Kind, rewrite: Rewrite, tmp_path: Path) -> None:
    with quiet():
        model = ppo.model(learning_rate=LinearSchedule(1e-2, 1e-4, 1.0)).learn(
            600, callback=SaveAt(320, tmp_path / "s.zip")
        )
        assert model.num_timesteps >= 600
    source = tmp_path / "s.zip"
    assert audit(source).verdict is Verdict.TRAINED
    forged_progress = {"num_timesteps": 576, "_current_progress_remaining": 1 - 576 / 600}
    found = audit(rewrite(forged_progress, source=source))
    assert "schedule-elsewhere" in kinds_of(found)
    assert found.verdict is Verdict.COUNTER_EDITED


def test_settings_of_the_caller_go_before_those_of_the_file(rewrite: Rewrite) -> None:
    path = rewrite({"batch_size": 4})
    assert audit(path).verdict is Verdict.CANNOT_TELL  # it may have been loaded with that, and saved again
    assert audit(path, given={"batch_size": 16}).verdict is Verdict.TRAINED


@pytest.mark.parametrize(
    "missing", ["n_steps", "batch_size", "_total_timesteps", "_num_timesteps_at_start", "_n_updates"]
)
def test_what_an_old_file_lacks_is_no_ground_for_suspicion(missing: str, rewrite: Rewrite) -> None:
    found = audit(rewrite({missing: None}))
    assert found.verdict in (Verdict.TRAINED, Verdict.CANNOT_TELL)


def test_broken_numbers_are_told_beside_the_verdict(rewrite: Rewrite, base: Path) -> None:
    weights = torch.load(io.BytesIO(members_of(base)["policy.pth"]))
    weights["action_net.weight"][0, 0] = np.nan
    weights["mlp_extractor.value_net.0.weight"][2:4] = 0
    found = audit(rewrite({}, {"policy.pth": _saved(weights)}))
    said = " ".join(item["says"] for item in found.document["findings"])
    assert "1 tensors hold NaN or Inf" in said
    assert "2 of 8 units have only weights of 0" in said
    assert found.verdict is Verdict.TRAINED


def _with_steps(path: Path, change: Any) -> bytes:
    state = torch.load(io.BytesIO(members_of(path)["policy.optimizer.pth"]))
    for parameter in state["state"].values():
        parameter["step"] = change(parameter["step"])
    return _saved(state)


def _saved(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def test_a_model_that_was_only_loaded_with_other_environments_is_honest(ppo: Kind, base: Path, tmp_path: Path) -> None:
    with quiet():
        ppo.algorithm.load(base, env=ppo.model(n_envs=5).env).save(tmp_path / "loaded.zip")
    found = audit(tmp_path / "loaded.zip", base)
    assert found.verdict is Verdict.TRAINED
    assert "at n_steps 32 are 6 rollouts" in grounds_of(found)


def test_training_that_was_broken_off_and_continued_is_not_called_false(ppo: Kind, tmp_path: Path) -> None:
    path = tmp_path / "broken-off.zip"
    with quiet():
        model = ppo.model()
        for _ in range(6):
            stop = SaveAt(model.num_timesteps + 50, path, stop=True)
            model.learn(96, callback=stop, reset_num_timesteps=False)
    assert audit(path).verdict in (Verdict.TRAINED, Verdict.CANNOT_TELL)


def test_a_checkpoint_of_the_first_rollout_of_another_call_is_honest(ppo: Kind, tmp_path: Path) -> None:
    path = tmp_path / "second.zip"
    with quiet():
        ppo.model().learn(96).learn(STEPS, callback=SaveAt(20, path, stop=True))
    assert audit(path).verdict is Verdict.TRAINED


def test_a_third_of_a_million_steps_may_be_asked_for(rewrite: Rewrite) -> None:
    asked = {"_total_timesteps": 1000 / 3, "_current_progress_remaining": 1 - 192 / (1000 / 3)}
    assert audit(rewrite(asked)).verdict is Verdict.TRAINED


def test_a_base_that_is_forged_itself_explains_nothing(ppo: Kind, rewrite: Rewrite, tmp_path: Path) -> None:
    forged_base = rewrite({"num_timesteps": 1000}, name="forged-base.zip")
    with quiet():
        ppo.algorithm.load(forged_base, env=ppo.model().env).learn(64, reset_num_timesteps=False).save(
            tmp_path / "on.zip"
        )
    found = audit(tmp_path / "on.zip", forged_base)
    assert found.document["base"]["verdict"] == "counter-edited"
    assert found.verdict is not Verdict.TRAINED
