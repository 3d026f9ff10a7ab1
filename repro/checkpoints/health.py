"""What else is wrong with a checkpoint: broken numbers, dead units, pickles that would do harm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np

from repro.checkpoints.checkpoint import Checkpoint
from repro.checkpoints.dangers import dangerous_imports
from repro.checkpoints.tensors import Tensor

EXPLODED = 1e8
"""A second moment above it is that of gradients above 10,000, which clipping keeps below 1."""
_SHOWN = 3


class Level(str, Enum):
    """How bad it is."""

    NOTE = "note"
    WARNING = "warning"
    DANGER = "danger"
    """Whoever loads the file with stable-baselines3 or torch runs what it holds."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, whatever the verdict."""

    level: Level
    where: str
    says: str


def examine(checkpoint: Checkpoint) -> list[Finding]:
    """All that is wrong with a checkpoint beside its claim."""
    return [*_dangers(checkpoint), *_form(checkpoint), *_numbers(checkpoint), *_units(checkpoint.weights)]


def _dangers(checkpoint: Checkpoint) -> Iterator[Finding]:
    found = [(item.name, item.pickled) for item in checkpoint.data.pickled()]
    found += [(member, file.pickled) for member, file in checkpoint.pickled.items()]
    for where, pickled in found:
        names = [str(name) for name in dangerous_imports(pickled)] if pickled else []
        if names:
            what = ", ".join(names[:_SHOWN])
            says = f"loading it would import {what}: don't load this file; nothing of it was executed here"
            yield Finding(Level.DANGER, where, says)
    for member, file in checkpoint.pickled.items():
        if file.opaque and not any(dangerous_imports(file.pickled)):
            what = ", ".join(file.opaque[:_SHOWN])
            yield Finding(Level.WARNING, member, f"holds {what}, which torch.load refuses with weights_only=True")


def _form(checkpoint: Checkpoint) -> Iterator[Finding]:
    for name in checkpoint.strange:
        yield Finding(
            Level.DANGER, ascii(name)[:80], "a member whose name leads out of the folder it would be unpacked to"
        )
    for key in checkpoint.data.twice:
        yield Finding(
            Level.WARNING, "data", f"{key} stands in it twice: what one program reads is not what another does"
        )
    for member, why in checkpoint.unread.items():
        yield Finding(Level.WARNING, member, f"not read: {why}")
    for item in checkpoint.data.pickled():
        if item.pickled is None:
            yield Finding(Level.NOTE, item.name, f"a pickle that is not read: {item.problem}")


def _numbers(checkpoint: Checkpoint) -> Iterator[Finding]:
    tensors = {
        f"policy.pth: {name}": item for name, item in (*checkpoint.weights.items(), *checkpoint.variables.items())
    }
    broken = {name: count for name, item in tensors.items() if (count := _not_finite(item))}
    if broken:
        first = next(iter(broken))
        where = first.partition(": ")[2]
        says = f"{len(broken)} tensors hold NaN or Inf ({where}: {broken[first]:,}): this model can't act"
        yield Finding(Level.WARNING, "policy.pth", says)
    for item in checkpoint.optimisers.values():
        bad = [key for key, moment in item.moments.items() if _not_finite(moment)]
        if bad:
            says = f"{len(bad)} of {len(item.moments)} moments hold NaN or Inf: the next step breaks the weights"
            yield Finding(Level.WARNING, f"{item.name}.pth", says)
        seconds = [moment for (_, key), moment in item.moments.items() if key in ("exp_avg_sq", "square_avg")]
        largest = max((_largest(moment) for moment in seconds), default=0.0)
        if EXPLODED < largest < float("inf"):
            says = f"a second moment of {largest:.3g}: gradients of about {largest**0.5:.3g} went through it"
            yield Finding(Level.WARNING, f"{item.name}.pth", says)


def _units(weights: Mapping[str, Tensor]) -> Iterator[Finding]:
    """Units whose incoming weights are all zero, which no input moves any more."""
    for name, item in weights.items():
        if not name.endswith("weight") or len(item.shape) != 2 or item.size > 1 << 24 or item.shape[0] < 2:
            continue
        dead = int((~item.array().any(axis=1)).sum())
        if dead:
            yield Finding(Level.WARNING, name, f"{dead} of {item.shape[0]} units have only weights of 0")


def _not_finite(item: Tensor) -> int:
    if np.dtype(item.flat.dtype).kind not in "fc" and item.dtype != "bfloat16":
        return 0
    return sum(int(block.size - np.isfinite(block).sum()) for block in item.blocks())


def _largest(item: Tensor) -> float:
    with np.errstate(invalid="ignore"):
        return max((float(np.max(block)) for block in item.blocks()), default=0.0)
