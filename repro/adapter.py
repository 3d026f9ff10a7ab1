"""`DualTickerModelAdapter`: a model for two shares that starts from the weights of a model for one.

A single-ticker base sees one share (12 features and a position: 13 numbers) and does one of three things
(sell, hold, buy). The weights go over like this, all else as it is:

* **Input, 13 → 26.** In ``MlpLstmPolicy`` the observation goes straight into the LSTMs, so the input layer is
  ``weight_ih_l0`` of shape ``(4 × hidden, 13)`` of the actor's and the critic's LSTM (without a critic's LSTM:
  the critic's linear layer, ``(hidden, 13)``). An observation of two shares is one block after the other; both
  blocks get the base's columns. They are not halved: two shares that look alike drive a gate twice as hard as
  one did.
* **Action head, 3 → 9.** Action ``3 a + b`` does ``a`` with the first share and ``b`` with the second, and gets
  the base's logit of ``a`` whatever ``b`` is. So the first share is traded with the base's probabilities, and
  the second is neutral: sell, hold and buy are equally likely.

``lstm_kwargs`` holds ``batch_first: True`` because that is what the original did. sb3-contrib lays its sequences
out the other way round, so that the first update raises ``RuntimeError`` (with several environments, the first
step already does).
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from sb3_contrib.ppo_recurrent import MlpLstmPolicy

from repro.bars import N_SHARES
from repro.envs.interface import N_ACTIONS, SHARE_ACTIONS, SHARE_OBSERVATION

Weights = Mapping[str, torch.Tensor]
"""A policy's ``state_dict``."""

LSTM_KWARGS: dict[str, Any] = {"dropout": 0.0, "batch_first": True}

INPUT_WEIGHTS = ("lstm_actor.weight_ih_l0", "lstm_critic.weight_ih_l0", "critic.weight")
"""Tensors that take the observation, in their last dimension."""
HEAD_WEIGHTS = ("action_net.weight", "action_net.bias")
"""Tensors that give the logits, in their first dimension."""


class AdapterError(ValueError):
    """A base model that can't be adapted; the message is one line."""


class DualTickerModelAdapter:
    """Builds a new ``RecurrentPPO`` for two shares and copies a base's weights into it."""

    def __init__(self, base: Weights | None = None) -> None:
        """:param base: weights of a single-ticker model; without any, an untrained one is made"""
        self.base = base

    def build(self, env: Any, *, seed: int, policy_kwargs: Mapping[str, Any], **parameters: Any) -> Any:
        """Build the model.

        :param env: vectorised environment with 26 observations and 9 actions
        :param seed: seed of the model, and of the base if one is made
        :param policy_kwargs: as for ``MlpLstmPolicy``; `LSTM_KWARGS` are added for the new model only
        :param parameters: further arguments of ``RecurrentPPO``
        :return: the ``RecurrentPPO``
        :raises AdapterError: if the base does not have the architecture that ``policy_kwargs`` ask for
        """
        base = new_base(seed, policy_kwargs) if self.base is None else self.base
        dual_kwargs = {**policy_kwargs, "lstm_kwargs": LSTM_KWARGS}
        model = RecurrentPPO(MlpLstmPolicy, env, seed=seed, policy_kwargs=dual_kwargs, **parameters)
        adapted = adapt_weights(base)
        _check_fit(adapted, model.policy.state_dict())
        model.policy.load_state_dict(adapted)
        return model


def new_base(seed: int, policy_kwargs: Mapping[str, Any]) -> Weights:
    """Construct a single-ticker policy and leave it untrained; the state of torch's generator is kept.

    :param seed: seed of its initial weights
    :param policy_kwargs: as for ``MlpLstmPolicy``
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = MlpLstmPolicy(
            spaces.Box(-np.inf, np.inf, (SHARE_OBSERVATION,), np.float32),
            spaces.Discrete(SHARE_ACTIONS),
            lambda _: 0.0,  # the learning rate of an optimiser that is never used
            **policy_kwargs,
        )
    weights: Weights = policy.state_dict()
    return weights


def load_base(path: Path) -> Weights:
    """Read the weights of a model that stable-baselines3 saved; nothing else in the file is opened.

    :param path: file as written by ``model.save``
    :raises AdapterError: if the file is missing, or is not such a model for one share
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read("policy.pth")
        # weights_only: a model from elsewhere must not be able to run code here.
        weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except OSError as error:
        raise AdapterError(f"{str(path)!r} can't be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, KeyError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise AdapterError(f"{str(path)!r} is not a model saved by stable-baselines3") from error
    if not isinstance(weights, Mapping) or not all(torch.is_tensor(value) for value in weights.values()):
        raise AdapterError(f"{str(path)!r} is not a model saved by stable-baselines3")
    _check_single(weights)
    return weights


def adapt_weights(base: Weights) -> dict[str, torch.Tensor]:
    """Turn weights for one share into weights for two, as the module describes.

    :param base: weights with 13 inputs and 3 actions
    :return: weights with 26 inputs and 9 actions; no tensor is shared with the base
    :raises AdapterError: if the base is not a recurrent model for one share
    """
    _check_single(base)
    adapted = {}
    for name, value in base.items():
        if name in INPUT_WEIGHTS:
            adapted[name] = torch.cat([value] * N_SHARES, dim=-1)
        elif name in HEAD_WEIGHTS:
            adapted[name] = value.repeat_interleave(N_ACTIONS // SHARE_ACTIONS, dim=0)
        else:
            adapted[name] = value.clone()
    return adapted


def _check_single(base: Weights) -> None:
    if INPUT_WEIGHTS[0] not in base or HEAD_WEIGHTS[0] not in base:
        raise AdapterError("the base model is not a recurrent one (MlpLstmPolicy)")
    found = base[INPUT_WEIGHTS[0]].shape[-1], base[HEAD_WEIGHTS[0]].shape[0]
    if found != (SHARE_OBSERVATION, SHARE_ACTIONS):
        raise AdapterError(
            f"the base model has {found[0]} observations and {found[1]} actions, "
            f"must have {SHARE_OBSERVATION} and {SHARE_ACTIONS}"
        )


def _check_fit(adapted: Weights, wanted: Weights) -> None:
    for name in [*wanted, *adapted]:
        have = tuple(adapted[name].shape) if name in adapted else "nothing"
        need = tuple(wanted[name].shape) if name in wanted else "nothing"
        if have != need:
            raise AdapterError(
                f"the base model does not fit the network asked for: {name} adapts to {have}, the network has {need}"
            )
