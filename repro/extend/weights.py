"""One checksum for all that a model has learnt: weights and the state of its optimisers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import torch


def digest(model: Any) -> str:
    """SHA-256 in hexadecimal; equal for two models only if they are so bit by bit."""
    found = hashlib.sha256()
    for name, value in _learnt(model):
        found.update(name.encode())
        if isinstance(value, torch.Tensor):
            array = value.detach().cpu().contiguous()
            found.update(f"{array.dtype}{tuple(array.shape)}".encode())
            found.update(array.reshape(-1).view(torch.uint8).numpy())
        else:
            found.update(repr(value).encode())
    return found.hexdigest()


def _learnt(model: Any) -> Iterator[tuple[str, Any]]:
    yield from _flat("", model.get_parameters())
    for name in model._get_torch_save_params()[1]:
        holder = model
        for part in name.split("."):
            holder = getattr(holder, part)
        yield name, holder


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key in sorted(value, key=str):
            yield from _flat(f"{path}/{key}", value[key])
    elif isinstance(value, (list, tuple)):
        for at, item in enumerate(value):
            yield from _flat(f"{path}/{at}", item)
    else:
        yield path, value
