"""
The semantic checksum: asked again, does the policy say what is stored?

Before the first optimizer step of an update the policy is still the one that collected the rollout: for the
stored observations, actions and LSTM states it must give the stored log-probabilities and values, and the
states of the next row. Clean runs differ by 1e-7 to 5e-7, a changed observation by 6e-3 and more. It sees what
no checksum of bytes can: data that were wrong when they were stored.
"""

from __future__ import annotations

import copy
import sys
import weakref
from typing import Any

from . import arrays
from .findings import Account, findings

TOLERANCE = 1e-3
"""Absolute, and relative to the larger of both."""
_REPEATS = 1e-6
"""A network that gives the same question two answers further apart than this is random, or remembers."""
_FIRST_ROWS = 256
"""Rows asked about in the first update; ``_ROWS`` in later ones."""
_ROWS = 64
_CONFIRMED_ROWS = 3


class Semantic:
    """Asks the policy of an on-policy algorithm, in the first update and then now and then."""

    def __init__(self) -> None:
        self.account = Account(share=0.002, credit_s=0.03)
        self.asked = 0
        """Updates whose rollout was compared."""
        self._collecting: tuple[Any, Any] | None = None
        """The model that collects, and its policy's state then."""
        self._off = False

    def collect_begins(self, model: Any) -> None:
        """Remembers the weights that collect, if this update can be afforded."""
        self._collecting = None
        if self._off or not hasattr(model, "rollout_buffer") or not self.account.open():
            return
        self._collecting = (weakref.ref(model), _state(model.policy))
        self.account.close()

    def train_begins(self, model: Any) -> None:
        """Compares, if the policy is the one that collected."""
        collecting, self._collecting = self._collecting, None
        if collecting is None or collecting[0]() is not model:
            return
        self.account.begin()
        try:
            if _is_comparable(model) and _state(model.policy) == collecting[1]:
                with _Untouched():
                    self._compare(model)
                self.asked += 1
        except Exception:  # noqa: BLE001
            # A policy that can't be asked like this one by one: its own update tells what is wrong, if anything is.
            self._off = True
        self.account.close()

    def _compare(self, model: Any) -> None:
        asking = _Asking(model)
        total = asking.steps * asking.envs
        count = min(total, _ROWS if self.asked else _FIRST_ROWS)
        shift = self.asked * 7
        rows = sorted({(number * total // count + shift) % total for number in range(count)})
        envs, steps = [row // asking.steps for row in rows], [row % asking.steps for row in rows]
        for name, differing in asking.differing(envs, steps).items():
            # In doubt the rows are asked about once more as they were collected, all environments at once: a
            # network that looks at its whole batch, or computes coarsely, is no corruption.
            confirmed = None
            for place in differing[:_CONFIRMED_ROWS]:
                confirmed = confirmed or asking.confirm(name, envs[place], steps[place])
            if confirmed is not None:
                detail = {**confirmed, "differing": len(differing), "asked": len(rows)}
                findings.add("semantic-mismatch", name, {"buffer": type(asking.buffer).__name__, **detail})


class _Asking:
    """Asks a copy of the policy that shares its weights: what the original keeps besides them stays as it is."""

    def __init__(self, model: Any) -> None:
        policy = model.policy
        shared = {id(item): item for item in policy.parameters()}
        shared[id(policy.optimizer)] = policy.optimizer
        self.policy = copy.deepcopy(policy, shared)
        self.torch = sys.modules["torch"]
        self.buffer = model.rollout_buffer
        self.steps: int = self.buffer.buffer_size
        self.envs: int = self.buffer.n_envs
        self.discrete = type(model.action_space).__name__ == "Discrete"
        self.recurrent = hasattr(policy, "lstm_actor")
        self.masked = hasattr(self.buffer, "action_masks")

    def stored(self, name: str, envs: list[int], steps: list[int]) -> Any:
        """Rows of one array as (rows, ...)."""
        return arrays.env_first(name, getattr(self.buffer, name), self.steps, self.envs)[envs, steps]

    def differing(self, envs: list[int], steps: list[int]) -> dict[str, list[int]]:
        """By array, the places in the lists of the rows whose answer is not what is stored."""
        np = arrays.numpy()
        found = {}
        for name, answer in self.answers(envs, steps).items():
            stored, answer = self._expected(name, answer, envs, steps)
            apart = np.abs(stored - answer) > TOLERANCE * (1 + np.maximum(np.abs(stored), np.abs(answer)))
            places = np.flatnonzero(apart.reshape(len(apart), -1).any(axis=1)).tolist()
            if places:
                kept = [n for n, step in enumerate(steps) if step + 1 < self.steps or name not in arrays.LSTM_STATES]
                found[name] = [kept[place] for place in places]
        return found

    def _expected(self, name: str, answer: Any, envs: list[int], steps: list[int]) -> tuple[Any, Any]:
        """What is stored for an answer; an LSTM's new state is stored with the next row."""
        if name not in arrays.LSTM_STATES:
            return self.stored(name, envs, steps).reshape(len(envs)), answer
        kept = [place for place, step in enumerate(steps) if step + 1 < self.steps]
        stored = self.stored(name, [envs[place] for place in kept], [steps[place] + 1 for place in kept])
        return stored, answer[kept]

    def confirm(self, name: str, env: int, step: int) -> dict[str, Any] | None:
        """Asks about one row in the batch it was collected in, twice; None if it agrees or is not repeatable."""
        envs = list(range(self.envs))
        steps = [step] * self.envs
        first, second = self.answers(envs, steps), self.answers(envs, steps)
        np = arrays.numpy()
        if not all(np.allclose(first[key], second[key], rtol=_REPEATS, atol=_REPEATS) for key in first):
            return None
        stored, answer = self._expected(name, first[name], envs, steps)
        stored, answer = stored[env].reshape(-1), answer[env].reshape(-1)
        apart = np.abs(stored - answer)
        worst = int(np.argmax(apart - TOLERANCE * np.maximum(np.abs(stored), np.abs(answer))))
        old, new = float(stored[worst]), float(answer[worst])
        if not abs(old - new) > TOLERANCE * (1 + max(abs(old), abs(new))):
            return None
        return {"env": env, "row": step + (name in arrays.LSTM_STATES), "stored": old, "now": new}

    def answers(self, envs: list[int], steps: list[int]) -> dict[str, Any]:
        """Array name to what the policy says, as (rows, ...)."""
        observations = self._observations(envs, steps)
        to_torch = self.buffer.to_torch
        actions = to_torch(self.stored("actions", envs, steps))
        actions = actions.long().flatten() if self.discrete else actions.float()
        # The functions under the marks: these calls are no phase of the training.
        evaluate = _unmarked(type(self.policy).evaluate_actions)
        with self.torch.no_grad():
            if self.recurrent:
                states, starts = self._states(envs, steps)
                values, log_probs, _ = evaluate(self.policy, observations, actions, states, starts)
                forward = _unmarked(type(self.policy).forward)
                after = forward(self.policy, observations, states, starts, deterministic=True)[-1]
                answers = {
                    "hidden_states_pi": after.pi[0],
                    "cell_states_pi": after.pi[1],
                    "hidden_states_vf": after.vf[0],
                    "cell_states_vf": after.vf[1],
                }
                answers = {name: state.swapaxes(0, 1) for name, state in answers.items()}
            else:
                masks = {"action_masks": to_torch(self.stored("action_masks", envs, steps))} if self.masked else {}
                values, log_probs, _ = evaluate(self.policy, observations, actions, **masks)
                answers = {}
        answers = {"log_probs": log_probs.flatten(), "values": values.flatten(), **answers}
        return {name: answer.cpu().numpy() for name, answer in answers.items()}

    def _observations(self, envs: list[int], steps: list[int]) -> Any:
        observations = self.buffer.observations
        if not isinstance(observations, dict):
            return self.buffer.to_torch(self.stored("observations", envs, steps))
        return {
            key: self.buffer.to_torch(arrays.env_first(key, part, self.steps, self.envs)[envs, steps])
            for key, part in observations.items()
        }

    def _states(self, envs: list[int], steps: list[int]) -> tuple[Any, Any]:
        """LSTM states as (layers, rows, hidden), and episode starts: each row is a sequence of one step."""
        to_torch = self.buffer.to_torch
        states = [to_torch(self.stored(name, envs, steps)).swapaxes(0, 1).contiguous() for name in arrays.LSTM_STATES]
        kind = sys.modules["sb3_contrib.common.recurrent.type_aliases"].RNNStates
        starts = to_torch(self.stored("episode_starts", envs, steps)).flatten()
        return kind((states[0], states[1]), (states[2], states[3])), starts


class _Untouched:
    """Leaves the random generators as they were: a user's network may draw from them."""

    def __enter__(self) -> None:
        torch, np, random = sys.modules["torch"], arrays.numpy(), sys.modules["random"]
        self._states = (random.getstate(), np.random.get_state(), torch.get_rng_state())
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None

    def __exit__(self, *error: object) -> None:
        torch, np, random = sys.modules["torch"], arrays.numpy(), sys.modules["random"]
        random.setstate(self._states[0])
        np.random.set_state(self._states[1])
        torch.set_rng_state(self._states[2])
        if self._cuda is not None:
            torch.cuda.set_rng_state_all(self._cuda)


def _unmarked(function: Any) -> Any:
    return getattr(function, "__wrapped__", function)


def _state(policy: Any) -> Any:
    """
    What makes the policy answer as it does: equal states, equal answers.

    Weights and buffers by version and sum (``.data`` can be written without a new version), and the plain
    attributes of its modules, such as a temperature that a callback changes.
    """
    torch = sys.modules["torch"]
    tensors = [*policy.parameters(), *policy.buffers()]
    with torch.no_grad():
        sums = [tensor.detach().sum(dtype=torch.float64) for tensor in tensors]
        weights = torch.stack(sums).tolist() if sums else []
    plain = [
        (key, value)
        for module in policy.modules()
        for key, value in vars(module).items()
        if key != "training" and isinstance(value, (bool, int, float, str))
    ]
    return [(id(tensor), tensor._version) for tensor in tensors], weights, plain


def _is_comparable(model: Any) -> bool:
    """Whether log-probabilities were stored as ``evaluate_actions`` would give them, by library code alone."""
    policy, buffer = model.policy, model.rollout_buffer
    cls = type(policy)
    if policy.training or sys.modules["torch"].is_autocast_enabled():
        return False
    if getattr(policy, "use_sde", False) or getattr(policy, "squash_output", False):
        return False
    functions = (
        type(model).collect_rollouts,
        getattr(cls, "forward", None),
        getattr(cls, "evaluate_actions", None),
        type(buffer).add,
        type(buffer).to_torch,
    )
    if not all(map(arrays.is_library, functions)) or {"forward", "evaluate_actions"} & vars(policy).keys():
        return False
    if not buffer.full or getattr(buffer, "generator_ready", True):
        return False
    return not any(
        module._forward_hooks or module._forward_pre_hooks or type(module).__name__ == "OptimizedModule"
        for module in policy.modules()
    )
