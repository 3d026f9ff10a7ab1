"""Where in an update two runs part: the first step of an optimizer after which a gradient or a weight differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Arrays: TypeAlias = "Mapping[str, NDArray[Any]]"
"""Name to array."""

GRADIENT, WEIGHTS, _VALUE = "gradient", "weights", "value"


@dataclass(frozen=True)
class Update:
    """The first difference within an update."""

    after: int
    """The rollout that is learnt from."""
    step: int
    """Of an optimizer, in this update, from 1."""
    kind: str
    """``gradient`` or ``weights``: equal gradients and unlike weights are the optimizer's doing."""
    parameter: str
    """The first, in the policy's order."""
    parameters: int
    """How many differ in this step."""
    weights: int
    """Numbers among all weights that differ at the end of the update."""

    @property
    def says(self) -> str:
        """One sentence."""
        what = f"the {self.kind} of {self.parameter}" if self.kind == GRADIENT else f"the weights {self.parameter}"
        others = f" and {self.parameters - 1} more" if self.parameters > 1 else ""
        return (
            f"in the update after rollout {self.after}, optimizer step {self.step}: {what}{others}; "
            f"{self.weights} weights differ at its end"
        )


def first_update(after: int, a: Arrays, b: Arrays) -> Update | None:
    """
    Compares what was stored of an update in two runs; None if nothing was, or nothing differs.

    :param after: the rollout that is learnt from.
    :param a: checksums after each step, ``gradient/<parameter>`` and ``weights/<parameter>``, shape (steps,), and
        weights at the end, ``value/<parameter>``.
    """
    names = [name for name in a if name in b and a[name].shape == b[name].shape]
    places = []
    for name in names:
        kind, _, parameter = name.partition("/")
        if kind != _VALUE and (unlike := np.flatnonzero(a[name] != b[name])).size:
            places.append((int(unlike[0]), kind != GRADIENT, parameter))
    if not places:
        return None
    step, late, parameter = min(places, key=lambda place: place[:2])
    alike = sum(place[:2] == (step, late) for place in places)
    weights = sum(int((a[name] != b[name]).sum()) for name in names if name.startswith(f"{_VALUE}/"))
    return Update(after, step + 1, WEIGHTS if late else GRADIENT, parameter, alike, weights)
