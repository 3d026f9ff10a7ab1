"""
``unpadded-batches``: a recurrent update that computes its own rows and no padding.

sb3-contrib pads each sequence of a minibatch to the longest, runs extractor, LSTM and networks over all of it, and
leaves the padding out of every mean. With one long episode among many short ones most of the work is padding. Here
the rows come as they are, one sequence after the other, with all of them valid, and how long each sequence is rides
along on the tensor of episode starts to ``_process_sequence``. That runs sequences of like length together: padded
at most to twice their length, and starting from zeros where an episode starts.
"""

from __future__ import annotations

import functools
import sys
import weakref
from typing import Any

from ..recorder import recorder
from . import log
from .fused_lstm import TOLERANCE, process_sequence_of
from .interface import DoesNotFitError, Patch, Remedy

ID = "unpadded-batches"
_LENGTHS = "_freezelab_lengths"
_FIELDS = (
    "observations", "actions", "old_values", "old_log_prob", "advantages", "returns", "lstm_states",
    "episode_starts", "mask",
)  # fmt: skip
_TRIAL_ROWS = 256
_LIBRARIES = ("sb3_contrib", "stable_baselines3")


class _Update:
    """The update that is under way, if its minibatches may come unpadded."""

    def __init__(self) -> None:
        self.buffer: Any = None
        self.policy: Any = None
        self.trying = False
        self.tried: weakref.WeakSet[Any] = weakref.WeakSet()
        """Policies whose first rows were computed both ways."""


_update = _Update()


def together(lengths: list[int]) -> list[list[int]]:
    """
    Which sequences to run together: all, if half of what is computed so is no padding; otherwise by powers of two.

    :param lengths: rows of each sequence.
    :return: places in ``lengths``.
    """
    if max(lengths) * len(lengths) <= 2 * sum(lengths):
        return [list(range(len(lengths)))]
    groups: dict[int, list[int]] = {}
    for place, length in enumerate(lengths):
        groups.setdefault(length.bit_length(), []).append(place)
    return list(groups.values())


def run_rows(features: Any, lstm_states: Any, episode_starts: Any, lengths: list[int], lstm: Any) -> Any:
    """
    Runs sequences that lie one after the other through an LSTM.

    :param features: (rows, features).
    :param lstm_states: hidden and cell state before each sequence, each (layers, sequences, hidden).
    :param episode_starts: (rows,), looked at where a sequence begins.
    :param lengths: rows of each sequence.
    :return: output, (rows, hidden).
    """
    torch = sys.modules["torch"]
    device = features.device
    sizes = torch.tensor(lengths, device=device)
    firsts = torch.cumsum(sizes, 0) - sizes
    goes_on = (1.0 - episode_starts[firsts]).view(1, -1, 1)
    hidden, cell = goes_on * lstm_states[0], goes_on * lstm_states[1]
    outputs, places = [], []
    for group in together(lengths):
        chosen = torch.tensor(group, device=device)
        steps = torch.arange(max(lengths[place] for place in group), device=device).unsqueeze(1)
        valid = steps < sizes[chosen]
        # Past a sequence's end stand rows of others: nobody looks at what comes of them.
        rows = (firsts[chosen] + steps).clamp(max=len(features) - 1)
        states = (hidden[:, chosen].contiguous(), cell[:, chosen].contiguous())
        outputs.append(lstm(features[rows], states)[0][valid])
        places.append(rows[valid])
    return torch.cat(outputs)[torch.argsort(torch.cat(places))]


def _patch_policies(policies: Any) -> None:
    original = process_sequence_of(policies)
    innermost = original
    while hasattr(innermost, "__wrapped__"):
        innermost = innermost.__wrapped__

    @functools.wraps(original)
    def _process_sequence(features: Any, lstm_states: Any, episode_starts: Any, lstm: Any) -> Any:
        lengths = getattr(episode_starts, _LENGTHS, None)
        if lengths is None:
            # What is compared with is the library's own.
            function = innermost if _update.trying else original
            return function(features, lstm_states, episode_starts, lstm)
        # Evaluating actions has no use for the states after them.
        return run_rows(features, lstm_states, episode_starts, lengths, lstm), lstm_states

    policies.RecurrentActorCriticPolicy._process_sequence = staticmethod(_process_sequence)


def _patch_buffers(buffers: Any) -> None:
    for name, samples in (
        ("RecurrentRolloutBuffer", buffers.RecurrentRolloutBufferSamples),
        ("RecurrentDictRolloutBuffer", buffers.RecurrentDictRolloutBufferSamples),
    ):
        if samples._fields != _FIELDS:
            raise DoesNotFitError("%s has the fields %s" % (samples.__name__, ", ".join(samples._fields)))
        cls = getattr(buffers, name)
        cls._get_samples = _unpadding(cls._get_samples, samples, buffers.RNNStates)


def _unpadding(get_samples: Any, samples: Any, states: Any) -> Any:
    @functools.wraps(get_samples)
    def _get_samples(self: Any, batch_inds: Any, env_change: Any, *args: Any, **kwargs: Any) -> Any:
        if self is not _update.buffer:
            return get_samples(self, batch_inds, env_change, *args, **kwargs)
        try:
            if _update.policy not in _update.tried:
                few = batch_inds[:_TRIAL_ROWS]
                _try(get_samples(self, few, env_change, *args, **kwargs), _rows(self, few, env_change, samples, states))
                _update.tried.add(_update.policy)
            return _rows(self, batch_inds, env_change, samples, states)
        except Exception as error:  # noqa: BLE001
            _update.buffer = None
            recorder.fault(ID, error)
            log.note(ID, log.REFUSED, str(error) or repr(error))
            return get_samples(self, batch_inds, env_change, *args, **kwargs)

    return _get_samples


def _rows(buffer: Any, chosen: Any, env_change: Any, samples: Any, states: Any) -> Any:
    """A minibatch whose rows are its own, as they lie in the buffer."""
    torch = sys.modules["torch"]
    starts = (buffer.episode_starts[chosen] != 0) | (env_change[chosen] != 0)
    firsts = [place for place, start in enumerate(starts.flatten().tolist()) if start or not place]
    lengths = [end - first for first, end in zip(firsts, [*firsts[1:], len(chosen)])]  # noqa: B905

    def flat(name: str) -> Any:
        return torch.tensor(getattr(buffer, name)[chosen], device=buffer.device).flatten()

    def state(name: str) -> Any:
        return torch.tensor(getattr(buffer, name)[chosen][firsts], device=buffer.device).swapaxes(0, 1).contiguous()

    episode_starts = flat("episode_starts")
    setattr(episode_starts, _LENGTHS, lengths)
    observations = buffer.observations
    if isinstance(observations, dict):
        rows = {
            key: torch.tensor(part[chosen], device=buffer.device).reshape((len(chosen), *buffer.obs_shape[key]))
            for key, part in observations.items()
        }
    else:
        rows = torch.tensor(observations[chosen], device=buffer.device).reshape((len(chosen), *buffer.obs_shape))
    return samples(
        observations=rows,
        actions=torch.tensor(buffer.actions[chosen], device=buffer.device),
        old_values=flat("values"),
        old_log_prob=flat("log_probs"),
        advantages=flat("advantages"),
        returns=flat("returns"),
        lstm_states=states(
            (state("hidden_states_pi"), state("cell_states_pi")), (state("hidden_states_vf"), state("cell_states_vf"))
        ),
        episode_starts=episode_starts,
        mask=torch.ones_like(episode_starts),
    )


def _try(padded: Any, rows: Any) -> None:
    """:raises DoesNotFitError: the policy does not say the same of rows with and without padding."""
    policy, torch = _update.policy, sys.modules["torch"]
    # The function under the mark: these calls are no phase of the training.
    evaluate = type(policy).evaluate_actions
    evaluate = getattr(evaluate, "__wrapped__", evaluate)
    discrete = type(policy.action_space).__name__ == "Discrete"
    answers = []
    _update.trying = True
    try:
        with torch.no_grad():
            for batch in (padded, rows):
                actions = batch.actions.long().flatten() if discrete else batch.actions
                told = evaluate(policy, batch.observations, actions, batch.lstm_states, batch.episode_starts)
                answers.append([answer.flatten()[batch.mask > 0] for answer in told if answer is not None])
    finally:
        _update.trying = False
    pairs = list(zip(*answers))  # noqa: B905
    apart = max(float(((one - other).abs() / (1 + one.abs())).max()) for one, other in pairs)
    if not apart <= TOLERANCE:
        raise DoesNotFitError("without padding the policy's answers to the first rows are %.0e apart" % apart)
    whole = len(padded.mask)
    log.note(
        ID,
        log.APPLIED,
        "rows were computed without padding (%d of the first %d were padding); the policy's answers to them were "
        "%.0e apart at most" % (whole - len(rows.mask), whole, apart),
    )


def _why_not(policy: Any) -> str | None:
    """Why the answers to a row might depend on the padding beside it, or on the shape of a minibatch."""
    cls = type(policy)
    for name in ("evaluate_actions", "_process_sequence", "extract_features"):
        function = getattr(cls, name, None)
        if str(getattr(function, "__module__", "")).partition(".")[0] not in _LIBRARIES:
            return "the policy has its own %s" % name
    if getattr(policy, "use_sde", False):
        return "the policy explores by gSDE"
    for module in policy.modules():
        name = type(module).__name__
        if "BatchNorm" in name:
            return "the policy has a %s, which looks at its whole batch" % name
        if ("Dropout" in name and getattr(module, "p", True)) or getattr(module, "dropout", 0):
            return "the policy has dropout, which would be drawn in another order"
        if type(module).__name__ == "LSTM" and (module.batch_first or module.bidirectional):
            return "the LSTM is not one that goes forward through time-major sequences"
    return None


def _patch_algorithm(module: Any) -> None:
    train = module.RecurrentPPO.train

    @functools.wraps(train)
    def unpadded(self: Any, *args: Any, **kwargs: Any) -> Any:
        reason = _why_not(self.policy)
        if reason is not None:
            log.note(ID, log.REFUSED, reason)
            return train(self, *args, **kwargs)
        _update.buffer, _update.policy = self.rollout_buffer, self.policy
        try:
            return train(self, *args, **kwargs)
        finally:
            _update.buffer = _update.policy = None

    module.RecurrentPPO.train = unpadded


def _patches(value: str) -> dict[str, Patch]:
    return {
        "sb3_contrib.common.recurrent.buffers": _patch_buffers,
        "sb3_contrib.common.recurrent.policies": _patch_policies,
        "sb3_contrib.ppo_recurrent.ppo_recurrent": _patch_algorithm,
    }


REMEDY = Remedy(
    id=ID,
    changes="in the update of RecurrentPPO minibatches come without padding, and sequences of like length go through "
    "the LSTM together; this does what fused-lstm does too",
    results="Losses, gradients and actions stay the same within 1e-5. The first rows are computed both ways; if the "
    "policy's answers differ the remedy steps back and says so. A policy with batch normalisation, dropout, gSDE or "
    "its own evaluate_actions is left alone.",
    patches=_patches,
    cures=("padded-sequences",),
)
