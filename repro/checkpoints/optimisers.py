"""What an optimiser remembers: how often it stepped, and its moments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from repro.checkpoints.errors import UnreadableError
from repro.checkpoints.tensors import Tensor

MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "square_avg", "momentum_buffer", "grad_avg", "exp_inf", "sum")
COUNTED_EXACTLY = 1 << 24
"""torch counts steps in float32 by default, which stands still from here on."""


@dataclass(frozen=True)
class Group:
    """Parameters that are stepped alike."""

    learning_rate: float | None
    options: dict[str, Any]


@dataclass(frozen=True)
class Optimiser:
    """One optimiser of a model."""

    name: str
    """As in the file, without ``.pth``: ``policy.optimizer``."""
    kind: str
    """``Adam`` (and its kin), ``RMSprop``, ``SGD``, or ``unknown``."""
    n_parameters: int
    steps: dict[int, float]
    """By parameter; those that never had a gradient are not in it."""
    moments: dict[tuple[int, str], Tensor] = field(repr=False)
    groups: tuple[Group, ...]

    @property
    def counts(self) -> bool:
        """Whether it counts its steps: SGD does not."""
        return bool(self.steps) or (self.kind != "SGD" and not self.moments)

    @property
    def taken(self) -> int:
        """Steps of the parameter that took the most."""
        return int(max(self.steps.values(), default=0))

    @property
    def uneven(self) -> bool:
        """Whether some parameters took fewer steps than others."""
        return len(set(self.steps.values())) > 1

    def is_short_of(self, steps: int) -> bool:
        """Whether it took fewer steps than that, as far as it can count."""
        return self.taken < min(steps, COUNTED_EXACTLY)


def optimiser(name: str, value: Any) -> Optimiser:
    """
    An optimiser from its ``state_dict``.

    :raises UnreadableError: if it is none.
    """
    if not isinstance(value, dict) or not isinstance(value.get("state"), dict):
        raise UnreadableError("not the state of an optimiser")
    groups = [group for group in _listed(value.get("param_groups")) if isinstance(group, dict)]
    steps: dict[int, float] = {}
    moments: dict[tuple[int, str], Tensor] = {}
    for index, state in value["state"].items():
        if not isinstance(index, int) or not isinstance(state, dict):
            continue
        step = state.get("step")
        step = step.item() if isinstance(step, Tensor) else step
        if isinstance(step, (int, float)) and not isinstance(step, bool):
            steps[index] = float(min(step, 1e300)) if step == step else -1.0
        for key in MOMENTS:
            if isinstance(state.get(key), Tensor):
                moments[index, key] = state[key]
    return Optimiser(
        name=name,
        kind=_kind(groups, {key for _, key in moments}),
        n_parameters=sum(len(_listed(group.get("params"))) for group in groups),
        steps=steps,
        moments=moments,
        groups=tuple(Group(_number(group.get("lr")), group) for group in groups),
    )


def _kind(groups: list[dict[str, Any]], moments: set[str]) -> str:
    options = set(groups[0]) if groups else set()
    if "exp_avg_sq" in moments or "betas" in options:
        return "Adam"
    if "square_avg" in moments or {"alpha", "centered"} <= options:
        return "RMSprop"
    if {"dampening", "nesterov"} <= options:
        return "SGD"
    return "unknown"


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _number(value: Any) -> float | None:
    value = value.item() if isinstance(value, Tensor) else value
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e300 else None
