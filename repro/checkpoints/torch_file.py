"""
What ``torch.save`` wrote, read without torch: the zip format (torch 1.6 and newer) and the one before it.

Both hold a pickle whose tensors refer to storages by persistent ids. Of the pickle only what a checkpoint needs is
understood (dictionaries, lists, numbers, tensors, parameters); all else stays an :class:`Opaque` name.
Format: ``torch/serialization.py``, ``_save`` and ``_legacy_save``.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from repro.checkpoints import pickles
from repro.checkpoints.archive import Archive, Limits
from repro.checkpoints.errors import UnreadableError
from repro.checkpoints.pickles import Global, Made, Persistent
from repro.checkpoints.tensors import DTYPES, STORAGES, Tensor, tensor

MAX_PICKLE = 64 << 20
"""Bytes of a file's own pickle: it holds names and shapes, not numbers."""
MAX_DEPTH = 12
MAX_VALUES = 1_000_000
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


@dataclass(frozen=True)
class Opaque:
    """A value that is not understood: what would have been called to make it."""

    name: str


@dataclass
class TorchFile:
    """One file that ``torch.save`` wrote."""

    value: Any
    """Dictionaries, lists, tuples, numbers, texts, :class:`Tensor` and :class:`Opaque`."""
    pickled: pickles.Pickled
    opaque: tuple[str, ...] = ()
    """What is called in it that is not understood."""


@dataclass
class _Storages:
    """The numbers of a file."""

    read: Callable[[str], memoryview]
    order: str = "<"
    seen: dict[str, tuple[int, memoryview]] = field(default_factory=dict)

    def of(self, key: str) -> tuple[int, memoryview]:
        """Number and bytes of a storage."""
        if key not in self.seen:
            self.seen[key] = len(self.seen), self.read(key)
        return self.seen[key]


def read(view: memoryview, name: str, limits: Limits) -> TorchFile:
    """
    A file that ``torch.save`` wrote.

    :raises UnreadableError: if it is none, or damaged.
    """
    if view[:4].tobytes() == b"PK\x03\x04":
        return _read_zip(Archive(view, name, limits), limits)
    if view[:1].tobytes() == b"\x80":
        return _read_legacy(view, limits)
    raise UnreadableError(f"{name} is in none of the formats of torch.save that are read")


def _read_zip(archive: Archive, limits: Limits) -> TorchFile:
    heads = [name for name in archive.entries if name.endswith("/data.pkl")]
    if len(heads) != 1:
        raise UnreadableError("a zip archive, but not one of torch.save")
    folder = heads[0].removesuffix("data.pkl")
    storages = _Storages(lambda key: archive.view(f"{folder}data/{key}"))
    if f"{folder}byteorder" in archive.entries and archive.read(f"{folder}byteorder", 16) == b"big":
        storages.order = ">"
    pickled = pickles.read(archive.read(heads[0], min(MAX_PICKLE, limits.in_memory)), limits.spend)
    return _resolved(pickled, storages)


def _read_legacy(view: memoryview, limits: Limits) -> TorchFile:
    at, found = 0, []
    for _ in range(5):  # magic number, protocol, system, the object, the storages' keys
        pickled = pickles.read(view[at : at + min(MAX_PICKLE, limits.in_memory)], limits.spend)
        found.append(pickled)
        at += pickled.size
        if found[0].value != _LEGACY_MAGIC:
            raise UnreadableError("a pickle, but not one of torch.save")
    sizes = _element_sizes(found[3].value)
    places: dict[str, memoryview] = {}
    for key in found[4].value if isinstance(found[4].value, list) else []:
        if str(key) not in sizes or len(view) < at + 8:
            raise UnreadableError("cut off before its numbers")
        count = struct.unpack_from("<q", view, at)[0]
        size = count * sizes[str(key)]
        if count < 0 or at + 8 + size > len(view):
            raise UnreadableError("cut off within its numbers")
        places[str(key)] = view[at + 8 : at + 8 + size]
        at += 8 + size
    return _resolved(found[3], _Storages(places.__getitem__))


def _element_sizes(value: Any) -> dict[str, int]:
    """Bytes of a number of each storage, by the references to them."""
    sizes: dict[str, int] = {}
    waiting, seen = [value], set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Persistent):
            with contextlib.suppress(UnreadableError):
                dtype, key = _reference(item)
                sizes[key] = np.dtype(DTYPES[dtype]).itemsize
        elif isinstance(item, Made):
            waiting += [item.arguments, item.state, *item.items, *item.pairs.values()]
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, (list, tuple)):
            waiting += item
    return sizes


def _reference(item: Persistent) -> tuple[str, str]:
    """The type and the key of a storage."""
    parts = item.id
    if isinstance(parts, tuple) and len(parts) >= 3 and parts[0] == "storage" and isinstance(parts[1], Global):
        dtype = STORAGES.get(parts[1].name)
        if dtype is not None and isinstance(parts[2], (str, int)):
            return dtype, str(parts[2])
    raise UnreadableError("a reference to a storage that is not understood")


def _resolved(pickled: pickles.Pickled, storages: _Storages) -> TorchFile:
    resolver = _Resolver(storages)
    value = resolver.resolve(pickled.value, 0)
    return TorchFile(value, pickled, tuple(dict.fromkeys(resolver.opaque)))


class _Resolver:
    """Turns what a pickle would call into values."""

    def __init__(self, storages: _Storages) -> None:
        self._storages = storages
        self._tensors: dict[int, Tensor] = {}
        self._left = MAX_VALUES
        self.opaque: list[str] = []

    def resolve(self, value: Any, depth: int) -> Any:
        """One value and what is in it."""
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise UnreadableError("values nested too deeply, or too many of them")
        if isinstance(value, dict):
            return {key: self.resolve(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.resolve(item, depth + 1) for item in value)
        if isinstance(value, Made):
            return self._make(value, depth)
        if isinstance(value, (Global, Persistent)):
            return self._unknown(str(value) if isinstance(value, Global) else "a storage")
        return value

    def _make(self, made: Made, depth: int) -> Any:
        if made.by("collections.OrderedDict"):
            return {key: self.resolve(item, depth + 1) for key, item in made.pairs.items()}
        if made.by("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3"):
            if id(made) not in self._tensors:
                self._tensors[id(made)] = self._tensor(made.arguments)
            return self._tensors[id(made)]
        if made.by("torch._utils._rebuild_parameter") and isinstance(made.arguments, tuple) and made.arguments:
            return self.resolve(made.arguments[0], depth + 1)
        if made.by("torch.Size") and isinstance(made.arguments, tuple):
            return self.resolve(made.arguments[0], depth + 1) if made.arguments else ()
        number = scalar(made)
        return self._unknown(str(made.function)) if number is None else number

    def _tensor(self, arguments: Any) -> Tensor:
        if not isinstance(arguments, tuple) or len(arguments) < 4 or not isinstance(arguments[0], Persistent):
            raise UnreadableError("a tensor that is not understood")
        dtype, key = _reference(arguments[0])
        if len(arguments) > 6 and isinstance(arguments[6], Global):
            dtype = arguments[6].name
        try:
            number, raw = self._storages.of(key)
        except KeyError:
            raise UnreadableError(f"the storage {key[:40]!r} of a tensor is missing") from None
        return tensor(raw, dtype, self._storages.order, arguments[1], arguments[2], arguments[3], number)

    def _unknown(self, name: str) -> Opaque:
        self.opaque.append(name)
        return Opaque(name)


def scalar(made: Made) -> float | int | None:
    """The number of a numpy scalar, as JSON has none of; None if it is something else."""
    if not made.by("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"):
        return None
    arguments = made.arguments
    if not isinstance(arguments, tuple) or len(arguments) != 2 or not isinstance(arguments[0], Made):
        return None
    kind, raw = arguments
    if isinstance(raw, Made) and raw.by("_codecs.encode") and isinstance(raw.arguments, tuple):
        text = raw.arguments[0]
        raw = text.encode("latin-1", "replace") if isinstance(text, str) else b""
    name = kind.arguments[0] if isinstance(kind.arguments, tuple) and kind.arguments else None
    if not kind.by("numpy.dtype") or name not in _NUMBERS or not isinstance(raw, bytes):
        return None
    if len(raw) != np.dtype(name).itemsize:
        return None
    found: float | int = np.frombuffer(raw, np.dtype(name))[0].item()
    return found


_NUMBERS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
