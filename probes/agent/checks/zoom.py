"""
One rollout stored whole, with the one before it: for two runs that are known to part there.

Written as ``zoom-<pid>-<rollout>.npz`` beside the flight file, by the program's own numpy. Of the update between the
two, ``update-<pid>-<rollout>.npz`` has checksums of each parameter's gradient and weights after each step of an
optimizer, ``gradient/<name>`` and ``weights/<name>``, and what the weights are at its end, ``value/<name>``.
"""

from __future__ import annotations

import os
import zlib
from typing import Any

from .. import layout
from ..recorder import recorder
from . import arrays


def _chosen() -> int:
    try:
        return int(os.environ.get(layout.ZOOM_VARIABLE, ""))
    except ValueError:
        return 0


CHOSEN = _chosen()
"""0: none."""


_filled = 0
"""Rollouts so far."""
_sums: dict[str, list[int]] = {}
_policy: Any = None


def stepped(model: Any) -> None:
    """
    A step of an optimizer has ended.

    :param model: that is being trained; None if it is unknown.
    """
    global _policy
    policy: Any = getattr(model, "policy", None)
    if _filled != CHOSEN - 1 or not hasattr(policy, "named_parameters"):
        return
    _policy = policy
    for name, weights in policy.named_parameters():
        _sums.setdefault("gradient/" + name, []).append(_sum(weights.grad))
        _sums.setdefault("weights/" + name, []).append(_sum(weights))


def _values(tensor: Any) -> Any:
    return tensor.detach().cpu().float().numpy()


def _sum(tensor: Any) -> int:
    return 0 if tensor is None else zlib.crc32(_values(tensor).tobytes())


def store(buffer: Any, number: int) -> None:
    """
    Stores a filled buffer if its rollout is asked for.

    :param number: of the rollout, counted from 1.
    """
    global _filled
    _filled = number
    if not CHOSEN or number not in (CHOSEN - 1, CHOSEN) or recorder.path is None:
        return
    found = {
        name: arrays.env_first(name, array, buffer.buffer_size, buffer.n_envs)
        for name, array in arrays.arrays_of(buffer, arrays.ROLLOUT_ARRAYS)
    }
    if number == CHOSEN and _policy is not None:
        # First: who waits for the rollout ends the run as soon as it is there.
        update = {name: arrays.numpy().array(sums, dtype="uint32") for name, sums in _sums.items()}
        update.update(("value/" + name, _values(weights)) for name, weights in _policy.named_parameters())
        _write("update", number, update)
    _write("zoom", number, {name: view for name, view in found.items() if view is not None})


def _write(kind: str, number: int, found: dict[str, Any]) -> None:
    path = os.path.join(os.path.dirname(str(recorder.path)), "%s-%d-%d.npz" % (kind, os.getpid(), number))
    with open(path + ".part", "wb") as file:
        arrays.numpy().savez(file, **found)
    os.replace(path + ".part", path)
