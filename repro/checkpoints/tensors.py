"""Tensors as numpy sees them, in place in the file that holds them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.checkpoints.errors import UnreadableError

Array = NDArray[Any]

DTYPES = {
    "float32": "f4",
    "float64": "f8",
    "float16": "f2",
    "bfloat16": "u2",  # numpy has none: see Tensor.blocks
    "int64": "i8",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint8": "u1",
    "bool": "?",
    "complex64": "c8",
    "complex128": "c16",
}
"""What torch calls it, and what numpy does."""
STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}
BLOCK = 1 << 20
"""Elements that are looked at together, so that a large tensor needs little memory beside itself."""
_MAX_DIMENSIONS = 32


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor whose numbers are still in the file."""

    dtype: str
    """As torch names it, such as ``float32``."""
    shape: tuple[int, ...]
    flat: Array
    """Its numbers in order, one-dimensional; bfloat16 as its bits."""
    storage: int
    """Which storage it looks at: those of shared parameters are the same."""

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return self.flat.size

    def blocks(self) -> Iterator[Array]:
        """Its numbers, some at a time."""
        for start in range(0, self.flat.size, BLOCK):
            block = self.flat[start : start + BLOCK]
            if self.dtype == "bfloat16":
                block = (block.astype(np.uint32) << 16).view(np.float32)
            yield block

    def array(self) -> Array:
        """All of them in shape; for small tensors."""
        found = list(self.blocks())
        return (np.concatenate(found) if found else self.flat).reshape(self.shape)

    def item(self) -> float | None:
        """Its only number; None if it has not one."""
        if self.flat.size != 1 or np.iscomplexobj(self.flat):
            return None
        return float(next(self.blocks())[0])


def tensor(raw: memoryview, dtype: str, order: str, offset: int, shape: Any, stride: Any, key: int) -> Tensor:
    """
    A tensor on a storage.

    :param raw: the storage's bytes.
    :param order: ``<`` or ``>``.
    :param offset: of its first number, in elements.
    :raises UnreadableError: if it would look beyond its storage.
    """
    for name, numbers in (("shape", shape), ("stride", stride)):
        if not isinstance(numbers, tuple) or not all(type(number) is int and number >= 0 for number in numbers):
            raise UnreadableError(f"a tensor of {name} {str(numbers)[:40]}")
    if len(shape) != len(stride) or len(shape) > _MAX_DIMENSIONS or type(offset) is not int or offset < 0:
        raise UnreadableError("a tensor whose shape and stride don't fit")
    if dtype not in DTYPES:
        raise UnreadableError(f"a tensor of type {dtype[:40]}, which is not read")
    kind = np.dtype(order + DTYPES[dtype])
    available = len(raw) // kind.itemsize
    count = math.prod(shape)
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    # An expanded tensor has more numbers than its storage: no file of stable-baselines3 does, a memory bomb would.
    if count and (last >= available or count > available):
        raise UnreadableError(f"a tensor of {count} numbers on a storage of {available}")
    if not count:
        return Tensor(dtype, shape, np.zeros(0, kind), key)
    whole = np.frombuffer(raw[: available * kind.itemsize], kind)
    if stride == _contiguous(shape):
        return Tensor(dtype, shape, whole[offset : offset + count], key)
    steps = tuple(step * kind.itemsize for step in stride)
    view = np.lib.stride_tricks.as_strided(whole[offset:], shape, steps, writeable=False)
    return Tensor(dtype, shape, view.reshape(-1), key)


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step *= max(size, 1)
    return tuple(reversed(steps))


@dataclass(frozen=True)
class Likeness:
    """How alike two tensors of one shape are."""

    equal: bool
    """Byte by byte."""
    largest: float
    """The largest difference; infinite if it is none."""
    size: int
    """Numbers of each."""
    product: float
    """Sum of the products of their numbers."""
    squares: tuple[float, float]
    """Sum of the squares of each."""

    @property
    def cosine(self) -> float | None:
        """Of the angle between them, from -1 to 1; None if one of them is zero or has no finite length."""
        length = math.sqrt(self.squares[0]) * math.sqrt(self.squares[1])
        return self.product / length if 0 < length < math.inf and math.isfinite(self.product) else None


def compare(first: Tensor, second: Tensor) -> Likeness:
    """Compares two tensors of the same shape."""
    equal, largest, product, squares = first.dtype == second.dtype, 0.0, 0.0, [0.0, 0.0]
    for one, other in zip(first.blocks(), second.blocks(), strict=True):
        with np.errstate(invalid="ignore", over="ignore"):
            left, right = one.astype(np.float64), other.astype(np.float64)
            product += float(left @ right)
            squares = [squares[0] + float(left @ left), squares[1] + float(right @ right)]
            if first.dtype == second.dtype and one.tobytes() == other.tobytes():
                continue
            found = float(np.abs(left - right).max())
        equal = False
        largest = max(largest, found if math.isfinite(found) else math.inf)
    return Likeness(equal, largest, first.size, product, (squares[0], squares[1]))
