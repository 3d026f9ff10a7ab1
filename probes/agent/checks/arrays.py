"""
The arrays of a buffer and their checksums, whatever their layout.

A rollout buffer keeps its arrays as (steps, envs, ...), LSTM states as (steps, layers, envs, ...), until the
first ``get`` swaps and flattens them to (envs * steps, ...). Seen with the environment first, as
(envs, steps, ...), the content is in the same order before and after: so are the checksums, and that legitimate
rearrangement is verified instead of excused.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from typing import Any

from ..attributes import attribute

LSTM_STATES = ("hidden_states_pi", "cell_states_pi", "hidden_states_vf", "cell_states_vf")
ROLLOUT_ARRAYS = (
    "observations",
    "actions",
    "rewards",
    "advantages",
    "returns",
    "episode_starts",
    "log_probs",
    "values",
    "action_masks",
    *LSTM_STATES,
)
REPLAY_ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
"""Those that only ``add`` writes; HER's bookkeeping of episodes is not among them."""
REWRITABLE = ("rewards", "advantages", "returns", "values", "log_probs")
"""What user code computes anew for good reasons (reward shaping, intrinsic rewards): never row by row."""

_LIBRARIES = ("stable_baselines3", "sb3_contrib")
_HARMLESS = {"__init__", "__repr__", "__str__", "__getstate__", "__setstate__", "__dict__", "__weakref__"}
_MAX_BLOCKS = 4096
_MAX_ROWS = 64
_MIN_BLOCKS = 32


def numpy() -> Any:
    """The program's own numpy; a buffer that exists has imported it."""
    return sys.modules["numpy"]


def is_library(thing: Any) -> bool:
    """Whether a class or function is stable-baselines3's or sb3-contrib's own."""
    return str(getattr(thing, "__module__", "")).partition(".")[0] in _LIBRARIES


def user_methods(cls: type) -> set[str]:
    """The methods and properties that a user's classes add to or change in a buffer's class."""
    found: set[str] = set()
    for base in cls.__mro__:
        if not is_library(base) and base.__module__ not in ("builtins", "abc", "typing"):
            found.update(name for name, value in vars(base).items() if hasattr(value, "__get__"))
    return found - _HARMLESS


def arrays_of(buffer: Any, names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Name and array; the parts of a dict of observations are named ``observations[key]``."""
    ndarray = numpy().ndarray
    for name in names:
        value = attribute(buffer, name)
        parts = {"%s[%s]" % (name, key): part for key, part in value.items()} if isinstance(value, dict) else None
        for label, array in (parts or {name: value}).items():
            # Not a subclass: a memory-mapped file would be read from the disk.
            if type(array) is ndarray and array.size and array.dtype.kind in "biufc":
                yield label, array


def env_first(name: str, array: Any, steps: int, envs: int) -> Any:
    """The array as (envs, steps, ...), before or after swap-and-flatten; None if its shape is neither."""
    shape = array.shape
    if name in LSTM_STATES and array.ndim == 4:
        return array.transpose(2, 0, 1, 3) if (shape[0], shape[2]) == (steps, envs) else None
    if shape[:2] == (steps, envs):
        return array.swapaxes(0, 1)
    if shape[0] == steps * envs:
        return array.reshape((envs, steps, *shape[1:]))
    return None


def rows_per_block(steps: int, envs: int) -> int:
    """Few enough for a report to be precise, many enough for the checks to be cheap."""
    rows = min(_MAX_ROWS, max(1, steps // _MIN_BLOCKS))
    while rows < steps and envs * -(-steps // rows) > _MAX_BLOCKS:
        rows *= 2
    return rows


def block_sums(view: Any, rows: int) -> list[int]:
    """
    CRC-32 of each block of rows, environment by environment.

    :param view: (envs, steps, ...).
    """
    sums: list[int] = []
    contiguous = numpy().ascontiguousarray
    crc32 = zlib.crc32
    for env in view:
        data = memoryview(contiguous(env).reshape(-1).view("u1"))
        size = rows * (len(data) // len(env))
        sums += [crc32(data[start : start + size]) for start in range(0, len(data), size)]
    return sums


def crc(array: Any) -> int:
    """CRC-32 of the whole content of an array that need not be contiguous."""
    return zlib.crc32(memoryview(numpy().ascontiguousarray(array).reshape(-1).view("u1")))


def parts(observation: Any) -> dict[str, Any]:
    """An observation's arrays by key; "" for one that is no dict. What is no array is left out."""
    items = observation if isinstance(observation, dict) else {"": observation}
    ndarray = numpy().ndarray
    return {
        str(key): item
        for key, item in items.items()
        if isinstance(item, ndarray) and item.size and item.dtype.kind in "biufc"
    }


def ranges(blocks: list[int], rows: int, steps: int) -> list[dict[str, Any]]:
    """
    The places of blocks as ``{env, rows: [first, last]}``, neighbours joined.

    :param blocks: places in what :func:`block_sums` gave, in order.
    """
    per_env = -(-steps // rows)
    found: list[dict[str, Any]] = []
    for block in blocks:
        env, place = divmod(block, per_env)
        first, last = place * rows, min((place + 1) * rows, steps) - 1
        if found and found[-1]["env"] == env and found[-1]["rows"][1] == first - 1:
            found[-1]["rows"][1] = last
        else:
            found.append({"env": env, "rows": [first, last]})
    return found


def non_finite(view: Any) -> dict[str, Any] | None:
    """
    Counts of NaN and Inf and the place of the first; None if all is finite.

    :param view: (envs, steps, ...).
    """
    if view.dtype.kind not in "fc":
        return None
    np = numpy()
    finite = np.isfinite(view)
    bad = int(finite.size - np.count_nonzero(finite))
    if not bad:
        return None
    nan = int(np.count_nonzero(np.isnan(view)))
    rows = finite.reshape(finite.shape[0], finite.shape[1], -1).all(axis=2)
    # The first in time, then by environment.
    row, env = divmod(int(np.argmin(rows.T)), rows.shape[0])
    return {"nan": nan, "inf": bad - nan, "env": env, "row": row}
