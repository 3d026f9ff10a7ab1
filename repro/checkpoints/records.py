"""What a model remembers of its last steps: the last hundred episodes, and how many environments there were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from repro.checkpoints.data import Data
from repro.checkpoints.pickles import Made
from repro.checkpoints.torch_file import scalar


@dataclass(frozen=True)
class Episodes:
    """What is on record."""

    lengths: tuple[int, ...]
    """In steps, the oldest first."""
    limit: int | None
    """How many it keeps; None if all of a stretch."""


def episodes(data: Data) -> Episodes | None:
    """The episodes that a Monitor told of; None if there is no record, or none that is understood."""
    value = data.value("ep_info_buffer")
    limit = None
    items: Any = value
    if isinstance(value, Made) and value.by("collections.deque"):
        arguments = value.arguments if isinstance(value.arguments, tuple) else ()
        limit = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], int) else None
        items = value.items or (arguments[0] if arguments else [])
    if not isinstance(items, (list, tuple)):
        return None
    lengths = []
    for item in items:
        length = item.get("l") if isinstance(item, dict) else None
        length = scalar(length) if isinstance(length, Made) else length
        if not isinstance(length, (int, float)) or not 0 < length < 1 << 53:
            return None
        lengths.append(int(length))
    return Episodes(tuple(lengths), limit)


def environments(data: Data) -> int | None:
    """
    How many environments trained it last: one entry each in ``_last_episode_starts``.

    ``n_envs`` is another number once a model has been loaded with other environments, and saved again.
    """
    value = data.value("_last_episode_starts")
    if not isinstance(value, Made):
        return None
    parts = (
        value.state if value.by("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct") else None
    )
    shape = parts[1] if isinstance(parts, tuple) and len(parts) > 2 else None
    if value.by("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"):
        parts = value.arguments
        shape = parts[2] if isinstance(parts, tuple) and len(parts) > 2 else None
    if isinstance(shape, tuple) and len(shape) == 1 and type(shape[0]) is int and 0 < shape[0] < 1 << 20:
        return shape[0]
    return None
