"""``fused-lstm`` and ``unpadded-batches``: the same answers, losses and gradients as the original, for any batch."""

from __future__ import annotations

import types
from functools import cache
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sb3_contrib.common.recurrent import buffers, policies
from sb3_contrib.common.recurrent.type_aliases import RNNStates

from probes.agent.remedies import fused_lstm, unpadded_batches
from probes.agent.remedies.interface import DoesNotFitError

TOLERANCE = 1e-5
FEATURES = 3
HIDDEN = 8
ORIGINAL = policies.RecurrentActorCriticPolicy._process_sequence
CRITICS = {
    "separate": {"enable_critic_lstm": True},
    "shared": {"enable_critic_lstm": False, "shared_lstm": True},
    "none": {"enable_critic_lstm": False},
}
OBSERVATIONS = gymnasium.spaces.Box(-9, 9, (FEATURES,), np.float32)
ACTIONS = gymnasium.spaces.Discrete(3)


def fused() -> Any:
    """sb3-contrib's function with the remedy on it."""
    return patched(fused_lstm.REMEDY.patches(""), "sb3_contrib.common.recurrent.policies", ORIGINAL)


def patched(patches: dict[str, Any], module: str, function: Any) -> Any:
    holder = type("Policy", (), {"_process_sequence": staticmethod(function)})
    patches[module](types.SimpleNamespace(RecurrentActorCriticPolicy=holder))
    return holder._process_sequence  # type: ignore[attr-defined]


FUSED = fused()


class Counted:
    """How often an LSTM is called within a ``with``."""

    def __init__(self, lstm: Any) -> None:
        self.calls = 0
        self._handle = lstm.register_forward_hook(self._count)

    def _count(self, *_: Any) -> None:
        self.calls += 1

    def __enter__(self) -> Counted:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()


@cache
def policy_of(layers: int, critic: str) -> Any:
    torch.manual_seed(layers)
    return policies.RecurrentActorCriticPolicy(
        OBSERVATIONS, ACTIONS, lambda _: 1e-3, lstm_hidden_size=HIDDEN, n_lstm_layers=layers, **CRITICS[critic]
    )


@st.composite
def rollouts(draw: Any) -> tuple[Any, int, int]:
    """A full recurrent rollout buffer with random episodes, its number of layers, and a batch size."""
    steps, envs, layers = draw(st.integers(2, 16)), draw(st.integers(1, 4)), draw(st.integers(1, 2))
    share = draw(st.sampled_from((0.0, 0.05, 0.3, 1.0)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (steps, layers, envs, HIDDEN)
    buffer = buffers.RecurrentRolloutBuffer(steps, OBSERVATIONS, ACTIONS, shape, "cpu", n_envs=envs)
    for name, array in vars(buffer).items():
        if isinstance(array, np.ndarray) and array.dtype == np.float32:
            setattr(buffer, name, random.standard_normal(array.shape, dtype=np.float32))
    buffer.actions = random.integers(0, 3, buffer.actions.shape).astype(buffer.actions.dtype)
    buffer.episode_starts = (random.random((steps, envs)) < share).astype(np.float32)
    buffer.pos, buffer.full = steps, True
    # Three minibatches at most.
    return buffer, layers, -(-steps * envs // draw(st.integers(1, 3)))


def losses(policy: Any, batch: Any) -> tuple[Any, ...]:
    """What PPO makes of a minibatch: policy, value and entropy loss."""
    valid = batch.mask > 1e-8
    told = policy.evaluate_actions(
        batch.observations, batch.actions.long().flatten(), batch.lstm_states, batch.episode_starts
    )
    values, log_prob, entropy = (answer.flatten()[valid] for answer in told)
    ratio = torch.exp(log_prob - log_prob.detach() + 0.1 * torch.tanh(batch.old_log_prob[valid]))
    advantages = batch.advantages[valid]
    policy_loss = -torch.min(advantages * ratio, advantages * torch.clamp(ratio, 0.8, 1.2)).mean()
    return policy_loss, ((batch.returns[valid] - values) ** 2).mean(), -entropy.mean()


def gradients(policy: Any, batch: Any) -> list[Any]:
    """Losses, then the gradient of each weight that has one."""
    policy.zero_grad()
    found = losses(policy, batch)
    (found[0] + 0.5 * found[1] + 0.01 * found[2]).backward()
    return [*found, *(weight.grad.clone() for weight in policy.parameters() if weight.grad is not None)]


def agree(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        bool(((a - b).abs() <= TOLERANCE * (1 + a.abs())).all()) for a, b in zip(one, other, strict=True)
    )


@settings(max_examples=20, deadline=None)
@given(rollout=rollouts(), critic=st.sampled_from(tuple(CRITICS)))
def test_an_update_through_the_fused_lstm_has_the_same_losses_and_gradients(
    rollout: tuple[Any, int, int], critic: str
) -> None:
    buffer, layers, batch_size = rollout
    policy = policy_of(layers, critic)
    for batch in buffer.get(batch_size):
        found = []
        for function in (ORIGINAL, FUSED):
            policies.RecurrentActorCriticPolicy._process_sequence = staticmethod(function)
            found.append(gradients(policy, batch))
        policies.RecurrentActorCriticPolicy._process_sequence = staticmethod(ORIGINAL)
        assert agree(*found)


@st.composite
def sequences(draw: Any) -> tuple[Any, ...]:
    """Any sequences, any starts: features, states and starts."""
    count, steps, layers = draw(st.integers(1, 5)), draw(st.integers(1, 12)), draw(st.integers(1, 2))
    torch.manual_seed(draw(st.integers(0, 2**31)))
    starts = torch.tensor(draw(st.lists(st.booleans(), min_size=count * steps, max_size=count * steps))).float()
    states = (torch.randn(layers, count, HIDDEN), torch.randn(layers, count, HIDDEN))
    return torch.randn(count * steps, FEATURES), states, starts, layers


@settings(max_examples=60, deadline=None)
@given(sequences())
def test_wherever_episodes_start_outputs_and_states_are_the_same(given_sequences: tuple[Any, ...]) -> None:
    features, states, starts, layers = given_sequences
    lstm = policy_of(layers, "separate").lstm_actor
    output, after = ORIGINAL(features, states, starts, lstm)
    new_output, new_after = FUSED(features, states, starts, lstm)
    assert agree([output, *after], [new_output, *new_after])


@settings(max_examples=40, deadline=None)
@given(rollout=rollouts(), critic=st.sampled_from(tuple(CRITICS)))
def test_actions_in_a_rollout_and_in_prediction_are_the_same(rollout: tuple[Any, int, int], critic: str) -> None:
    buffer, layers, _ = rollout
    policy = policy_of(layers, critic)
    envs = buffer.n_envs
    states = tuple(torch.randn(layers, envs, HIDDEN) for _ in range(2))
    observations, starts = torch.as_tensor(buffer.observations[0]), torch.as_tensor(buffer.episode_starts[0])
    found = []
    for function in (ORIGINAL, FUSED):
        policies.RecurrentActorCriticPolicy._process_sequence = staticmethod(function)
        with torch.no_grad():
            actions, values, log_prob, after = policy(observations, RNNStates(states, states), starts, True)
        found.append([actions.float(), values, log_prob, *after.pi, *after.vf])
    policies.RecurrentActorCriticPolicy._process_sequence = staticmethod(ORIGINAL)
    assert agree(*found)


def minibatch(starts: list[list[float]]) -> tuple[Any, ...]:
    """Sequences of features with these episode starts."""
    torch.manual_seed(0)
    count, steps = len(starts), len(starts[0])
    states = (torch.randn(1, count, HIDDEN), torch.randn(1, count, HIDDEN))
    return torch.randn(count * steps, FEATURES), states, torch.tensor(starts).flatten()


@pytest.mark.parametrize(
    ("starts", "calls"),
    [
        ([[1.0, 0, 0, 0], [0.0, 0, 0, 0]], 1),
        ([[0.0, 0, 0, 0]], 1),  # the original's own way
        ([[1.0, 0, 0, 0], [0.0, 0, 1, 0]], 4),  # a start in the middle: step by step
        ([[1.0], [0.0], [1.0]], 1),  # a rollout
    ],
)
def test_only_a_start_elsewhere_than_at_the_beginning_makes_steps(starts: list[list[float]], calls: int) -> None:
    lstm = policy_of(1, "separate").lstm_actor
    function = fused()
    function(*minibatch(starts), lstm)  # the first time it is computed both ways
    with Counted(lstm) as counted:
        function(*minibatch(starts), lstm)
    assert counted.calls == calls


def test_an_lstm_with_dropout_is_left_alone() -> None:
    lstm = torch.nn.LSTM(FEATURES, HIDDEN, num_layers=2, dropout=0.5)
    features, (hidden, cell), starts = minibatch([[1.0, 0, 0, 0]])
    states = (hidden.repeat(2, 1, 1), cell.repeat(2, 1, 1))
    function = fused()
    torch.manual_seed(1)
    output, _ = ORIGINAL(features, states, starts, lstm)
    torch.manual_seed(1)
    new_output, _ = function(features, states, starts, lstm)
    assert torch.equal(output, new_output)


def test_a_function_that_answers_otherwise_is_left_alone() -> None:
    def own(features: Any, lstm_states: Any, episode_starts: Any, lstm: Any) -> Any:
        output, states = ORIGINAL(features, lstm_states, episode_starts, lstm)
        return output + episode_starts.sum(), states

    function = patched(fused_lstm.REMEDY.patches(""), "sb3_contrib.common.recurrent.policies", own)
    lstm = policy_of(1, "separate").lstm_actor
    batch = minibatch([[1.0, 0, 0, 0], [1.0, 0, 0, 0]])
    features, states, starts = batch
    assert torch.equal(function(*batch, lstm)[0], own(features, states, starts, lstm)[0])


def test_an_error_of_the_original_comes_out_as_it_was_and_ours_never() -> None:
    # As the adapter of the report builds it.
    lstm = torch.nn.LSTM(FEATURES, HIDDEN, batch_first=True)
    with pytest.raises(RuntimeError, match="Expected hidden"):
        fused()(*minibatch([[1.0, 0, 0, 0], [0.0, 0, 0, 0]]), lstm)
    strange = policy_of(1, "separate").lstm_actor
    lstm = types.SimpleNamespace(input_size=FEATURES, __call__=None)  # no dropout, nothing to refer to weakly
    own = patched(
        fused_lstm.REMEDY.patches(""),
        "sb3_contrib.common.recurrent.policies",
        lambda features, lstm_states, episode_starts, lstm: ORIGINAL(features, lstm_states, episode_starts, strange),
    )
    batch = minibatch([[1.0, 0, 0, 0]])
    assert torch.equal(own(*batch, lstm)[0], ORIGINAL(*batch, strange)[0])


@pytest.mark.parametrize(
    "function", [lambda features, lstm_states, lstm: None, lambda self, features, lstm_states, episode_starts: None]
)
@pytest.mark.parametrize("remedy", [fused_lstm.REMEDY, unpadded_batches.REMEDY])
def test_a_function_of_another_form_is_refused(remedy: Any, function: Any) -> None:
    with pytest.raises(DoesNotFitError, match="_process_sequence takes"):
        patched(remedy.patches(""), "sb3_contrib.common.recurrent.policies", function)


def rows_of(buffer: Any, padded: Any, chosen: Any, env_change: Any) -> Any:
    return unpadded_batches._rows(buffer, chosen, env_change, type(padded), RNNStates)


@settings(max_examples=20, deadline=None)
@given(rollout=rollouts(), critic=st.sampled_from(tuple(CRITICS)))
def test_an_update_without_padding_has_the_same_losses_and_gradients(
    rollout: tuple[Any, int, int], critic: str
) -> None:
    buffer, layers, batch_size = rollout
    policy = policy_of(layers, critic)
    seen: list[tuple[Any, Any]] = []
    get_samples = buffer._get_samples

    def noted(chosen: Any, env_change: Any) -> Any:
        seen.append((chosen, env_change))
        return get_samples(chosen, env_change)

    buffer._get_samples = noted
    unpadded = patched(unpadded_batches.REMEDY.patches(""), "sb3_contrib.common.recurrent.policies", ORIGINAL)
    for padded in buffer.get(batch_size):
        expected = gradients(policy, padded)
        policies.RecurrentActorCriticPolicy._process_sequence = staticmethod(unpadded)
        rows = rows_of(buffer, padded, *seen[-1])
        assert len(rows.mask) == len(seen[-1][0])
        found = gradients(policy, rows)
        policies.RecurrentActorCriticPolicy._process_sequence = staticmethod(ORIGINAL)
        assert agree(expected, found)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60))
def test_sequences_that_run_together_are_at_most_half_padding(lengths: list[int]) -> None:
    groups = unpadded_batches.together(lengths)
    assert sorted(place for group in groups for place in group) == list(range(len(lengths)))
    computed = sum(max(lengths[place] for place in group) * len(group) for group in groups)
    assert computed <= 2 * sum(lengths)
    # One group after the other: not many more steps than those of the longest.
    assert sum(max(lengths[place] for place in group) for group in groups) <= 3 * max(lengths)
