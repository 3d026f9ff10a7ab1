"""The episodes that a model remembers: the last hundred that a Monitor told of (``ep_info_buffer``)."""

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
    """The recorded episodes; None if there is no record, or none that is understood."""
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
