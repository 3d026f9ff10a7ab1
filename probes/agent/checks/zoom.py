"""
One rollout stored whole, with the one before it: for two runs that are known to part there.

Written as ``zoom-<pid>-<rollout>.npz`` beside the flight file, by the program's own numpy.
"""

from __future__ import annotations

import os
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


def store(buffer: Any, number: int) -> None:
    """
    Stores a filled buffer if its rollout is asked for.

    :param number: of the rollout, counted from 1.
    """
    if not CHOSEN or number not in (CHOSEN - 1, CHOSEN) or recorder.path is None:
        return
    found = {
        name: arrays.env_first(name, array, buffer.buffer_size, buffer.n_envs)
        for name, array in arrays.arrays_of(buffer, arrays.ROLLOUT_ARRAYS)
    }
    path = os.path.join(os.path.dirname(recorder.path), "zoom-%d-%d.npz" % (os.getpid(), number))
    with open(path + ".part", "wb") as file:
        arrays.numpy().savez(file, **{name: view for name, view in found.items() if view is not None})
    os.replace(path + ".part", path)
