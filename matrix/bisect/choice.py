"""Of candidates that tell about as much, the cheapest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from matrix.designs.rates import Floats

LEAST_INFORMATION = 1e-4
"""In nats; a candidate that tells less tells nothing."""
_NEARLY = 0.8
"""Part of the most information that counts as nearly as much."""
_MOST_PRICED = 64
"""Candidates that are asked for their cost; it may be slow to know."""


def free(_: object) -> float:
    """All candidates cost the same."""
    return 1.0


def cheapest(information: Floats, cost: Callable[[int], float]) -> int:
    """
    The place of the candidate to try.

    :param information: of each, at least 0.
    :param cost: of the candidate at this place, above 0; a waiting time, say.
    """
    if cost is free:
        return int(np.argmax(information))
    order = np.argsort(-information, kind="stable")[:_MOST_PRICED]
    near = order[information[order] >= _NEARLY * information[order[0]]]
    gains = [information[at] / cost(int(at)) for at in near]
    return int(near[int(np.argmax(gains))])
