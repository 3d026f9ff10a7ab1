from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.vec_env import DummyVecEnv

from repro.adapter import AdapterError, DualTickerModelAdapter, adapt_weights, load_base, new_base
from repro.envs.dummy import DummyEnv

NETWORK: dict[str, Any] = {"net_arch": [16, 8], "lstm_hidden_size": 4, "n_lstm_layers": 2}


class OneShare(gymnasium.Env):  # type: ignore[misc]  # gymnasium is not followed by the type checker
    """Noise with the spaces of a single-ticker model, or others."""

    def __init__(self, n_observations: int = 13, n_actions: int = 3) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, (n_observations,), np.float32)
        self.action_space = spaces.Discrete(n_actions)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(self.observation_space.shape, np.float32), {}


def saved_base(path: Path, *sizes: int, policy: str = "MlpLstmPolicy", **network: Any) -> Path:
    model = RecurrentPPO(policy, DummyVecEnv([lambda: OneShare(*sizes)]), policy_kwargs={**NETWORK, **network})
    model.save(path)
    return path


def adapted(**network: Any) -> tuple[Any, Any]:
    """A base, and the model that the adapter builds from it."""
    base = new_base(3, {**NETWORK, **network})
    env = DummyVecEnv([DummyEnv])
    model = DualTickerModelAdapter(base).build(env, seed=0, policy_kwargs={**NETWORK, **network}, n_steps=8)
    return base, model


def test_the_new_model_is_batch_first_without_dropout() -> None:
    _, model = adapted()
    assert model.policy_kwargs["lstm_kwargs"] == {"dropout": 0.0, "batch_first": True}
    assert model.policy.lstm_actor.batch_first is True
    assert model.policy.lstm_critic.batch_first is True


def test_the_input_layer_is_the_base_s_once_for_each_share_not_halved() -> None:
    base, model = adapted()
    for lstm in ("lstm_actor", "lstm_critic"):
        weight = model.policy.state_dict()[f"{lstm}.weight_ih_l0"]
        assert weight.shape == (4 * 4, 26)
        assert torch.equal(weight[:, :13], base[f"{lstm}.weight_ih_l0"])
        assert torch.equal(weight[:, 13:], base[f"{lstm}.weight_ih_l0"])


def test_without_a_critic_lstm_the_critic_s_linear_layer_takes_both_shares() -> None:
    base, model = adapted(enable_critic_lstm=False)
    weight = model.policy.state_dict()["critic.weight"]
    assert weight.shape == (4, 26)
    assert torch.equal(weight, torch.cat([base["critic.weight"]] * 2, dim=1))


def test_an_action_has_the_base_s_logit_of_the_first_share() -> None:
    base, model = adapted()
    head = model.policy.action_net
    assert head.weight.shape == (9, 8)
    for first in range(3):
        for second in range(3):
            assert torch.equal(head.weight[3 * first + second], base["action_net.weight"][first])
            assert torch.equal(head.bias[3 * first + second], base["action_net.bias"][first])


def test_all_other_weights_are_the_base_s() -> None:
    base, model = adapted()
    changed = {"lstm_actor.weight_ih_l0", "lstm_critic.weight_ih_l0", "action_net.weight", "action_net.bias"}
    weights = model.policy.state_dict()
    assert set(weights) == set(base)
    assert all(torch.equal(weights[name], base[name]) for name in set(base) - changed)
    assert {"value_net.weight", "lstm_actor.weight_hh_l0", "lstm_actor.weight_ih_l1"} < set(base) - changed


def test_the_first_share_is_traded_as_by_the_base_and_the_second_evenly() -> None:
    logits = torch.tensor([0.3, -1.0, 2.0])
    head = {"lstm_actor.weight_ih_l0": torch.zeros(4, 13), "action_net.weight": torch.randn(3, 5)}
    weights = adapt_weights({**head, "action_net.bias": logits})
    latent = torch.randn(5)
    dual = torch.softmax(weights["action_net.weight"] @ latent + weights["action_net.bias"], dim=0).reshape(3, 3)
    single = torch.softmax(head["action_net.weight"] @ latent + logits, dim=0)
    assert torch.allclose(dual.sum(dim=1), single)
    assert torch.allclose(dual.sum(dim=0), torch.full((3,), 1 / 3))


def test_no_tensor_is_shared_with_the_base() -> None:
    base = new_base(0, NETWORK)
    places = {value.data_ptr() for value in base.values()}
    assert all(value.data_ptr() not in places for value in adapt_weights(base).values())


def test_a_made_base_depends_on_the_seed_only_and_leaves_torch_s_generator_alone() -> None:
    torch.manual_seed(11)
    state = torch.random.get_rng_state()
    first, again, other = new_base(1, NETWORK), new_base(1, NETWORK), new_base(2, NETWORK)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["lstm_actor.weight_ih_l0"], other["lstm_actor.weight_ih_l0"])


def test_without_a_base_the_adapter_makes_one_of_the_model_s_seed() -> None:
    env = DummyVecEnv([DummyEnv])
    model = DualTickerModelAdapter().build(env, seed=5, policy_kwargs=NETWORK)
    expected = adapt_weights(new_base(5, NETWORK))
    assert all(torch.equal(value, expected[name]) for name, value in model.policy.state_dict().items())


def test_the_weights_of_a_saved_model_are_loaded(tmp_path: Path) -> None:
    path = saved_base(tmp_path / "base.zip")
    saved = RecurrentPPO.load(path).policy.state_dict()
    loaded = load_base(path)
    assert set(loaded) == set(saved)
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)


@pytest.mark.parametrize(("sizes", "says"), [((26, 9), "26 observations and 9"), ((13, 4), "13 observations and 4")])
def test_a_base_for_anything_but_one_share_is_refused(sizes: tuple[int, int], says: str, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=f"the base model has {says} actions, must have 13 and 3"):
        load_base(saved_base(tmp_path / "base.zip", *sizes))


def test_a_base_of_another_network_is_refused(tmp_path: Path) -> None:
    base = load_base(saved_base(tmp_path / "base.zip", lstm_hidden_size=6))
    with pytest.raises(AdapterError, match=r"policy_net.0.weight adapts to \(16, 6\), the network has \(16, 4\)"):
        DualTickerModelAdapter(base).build(DummyVecEnv([DummyEnv]), seed=0, policy_kwargs=NETWORK)


def test_a_base_with_layers_that_the_network_lacks_is_refused() -> None:
    with pytest.raises(AdapterError, match="does not fit the network asked for"):
        DualTickerModelAdapter(new_base(0, NETWORK)).build(
            DummyVecEnv([DummyEnv]), seed=0, policy_kwargs={**NETWORK, "n_lstm_layers": 1}
        )


def test_a_base_without_recurrence_is_refused() -> None:
    with pytest.raises(AdapterError, match="not a recurrent one"):
        adapt_weights({"action_net.weight": torch.zeros(3, 8)})


class Harmful:
    """Would run code if it were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("code in a base model was run",))


@pytest.mark.parametrize("content", [{"policy.pth": b"garbage"}, {"data": b"{}"}, {"policy.pth": b""}])
def test_an_archive_without_weights_is_refused(content: dict[str, bytes], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "base.zip", "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    with pytest.raises(AdapterError, match="is not a model saved by stable-baselines3"):
        load_base(tmp_path / "base.zip")


@pytest.mark.parametrize("content", [{"a": Harmful()}, [1, 2], {"a": 1}])
def test_weights_that_are_more_than_tensors_are_refused_unopened(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "policy.pth")
    with zipfile.ZipFile(tmp_path / "base.zip", "w") as archive:
        archive.write(tmp_path / "policy.pth", "policy.pth")
    with pytest.raises(AdapterError, match="is not a model saved by stable-baselines3"):
        load_base(tmp_path / "base.zip")


def test_a_file_that_is_missing_or_no_archive_is_told(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="can't be read: No such file"):
        load_base(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(AdapterError, match="is not a model saved by stable-baselines3"):
        load_base(tmp_path / "text.zip")
