"""The tensors of two checkpoints side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from repro.checkpoints.checkpoint import Checkpoint
from repro.checkpoints.tensors import Likeness, Tensor, compare

_UNSTEPPED = ("_target.", "target_net", "running_mean", "running_var", "num_batches_tracked")
"""What no optimiser moves, in parts of names."""


@dataclass(frozen=True)
class Comparison:
    """Tensors that both have, in the same shape."""

    alike: Mapping[str, Likeness]
    adapted: tuple[str, ...]
    """Those that have another shape, or that only one of them has."""

    @property
    def equal(self) -> bool:
        """Whether all that can be compared is equal byte by byte."""
        return bool(self.alike) and all(item.equal for item in self.alike.values())

    @property
    def same_shape(self) -> bool:
        """Whether both have the same tensors."""
        return bool(self.alike) and not self.adapted

    @property
    def identical(self) -> bool:
        """Whether both have the same tensors with the same numbers."""
        return self.equal and self.same_shape

    @property
    def largest(self) -> float:
        """The largest difference."""
        return max((item.largest for item in self.alike.values()), default=0.0)

    @property
    def stepped(self) -> dict[str, Likeness]:
        """Those of the weights that an optimiser moves."""
        return {name: item for name, item in self.alike.items() if not any(part in name for part in _UNSTEPPED)}


def compared(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> Comparison:
    """Compares what has the same name and shape."""
    shared = [name for name in mine if name in theirs and mine[name].shape == theirs[name].shape]
    return Comparison(
        {name: compare(mine[name], theirs[name]) for name in shared},
        tuple(sorted((set(mine) | set(theirs)) - set(shared))),
    )


def moments(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """What its optimisers remember, by optimiser, parameter and kind."""
    return {
        f"{item.name} {index} {key}": tensor
        for item in checkpoint.optimisers.values()
        for (index, key), tensor in item.moments.items()
    }
