"""
A piece that is started before it is its turn: all that takes long and is the same for every piece is done by then.

Nothing of the user's is imported or made while it waits: the piece before it may hold what there is but once.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

OPTION = "--await"
_ASKS_EVERY_S = 0.02
_IMPORTED = ("cloudpickle", "stable_baselines3", "sb3_contrib", "repro.train", "repro.extend.state")


def words_of(words: Sequence[str]) -> list[str] | None:
    """
    The words of the piece: those given, or, of ``--await FILE``, those that the file holds once it is there (a list in
    JSON). None if whoever started us has ended meanwhile, so that nobody will ever write it.
    """
    if list(words[:1]) != [OPTION] or len(words) != 2:
        return list(words)
    parent, place = os.getppid(), Path(words[1])
    _warm_up()
    while not place.exists():
        if os.getppid() != parent:
            return None
        time.sleep(_ASKS_EVERY_S)
    return [str(word) for word in json.loads(place.read_text(encoding="utf-8"))]


def _warm_up() -> None:
    """Whatever fails here fails again in the piece, which says so."""
    for name in _IMPORTED:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    with contextlib.suppress(Exception):
        import torch

        # The first optimiser imports eight hundred modules more.
        torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
