"""
Remedies: changes that get a training run moving, applied inside it, each in a module of its own.

They are part of the agent, and not of ``repro/``, because they have to work in anybody's training: carried in by
path, standard library only, applied when the module they change has been imported. A module also says what its
remedy changes and how results differ (:class:`interface.Remedy`), so that the two can't drift apart; it can be
imported without torch. Only those that are asked for are imported here.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from typing import Any

from ..hooks import Patch
from ..recorder import recorder
from . import log, sites

VARIABLE = "FREEZELAB_REMEDIES"
"""Environment variable: what to apply, ``fused-lstm,threads=2``; values are spelt out and checked already."""

MODULES = {
    "eval-step-limit": "eval_step_limit",
    "flush-denormal": "flush_denormal",
    "fused-lstm": "fused_lstm",
    "resize-buffer": "resize_buffer",
    "start-method": "start_method",
    "threads": "threads",
    "unpadded-batches": "unpadded_batches",
}
"""Id to module, in the order in which they are applied."""


def with_remedies(patches: dict[str, Patch]) -> dict[str, Patch]:
    """
    Begins what is asked for, and returns what is to be done to modules once they are imported.

    :param patches: what else is done to them, by their names; it comes after the remedies.
    """
    found: dict[str, list[Patch]] = {}
    asked = dict(word.partition("=")[::2] for word in os.environ.get(VARIABLE, "").split(",") if word)
    # Not in the order of asking: of two that change the same function the later one goes around the other.
    for name in [*(name for name in MODULES if name in asked), *(asked.keys() - MODULES.keys())]:
        value = asked[name]
        try:
            remedy = importlib.import_module("." + MODULES[name], __name__).REMEDY
            log.note(name, log.WAITING, "its occasion has not come", value)
            if remedy.begin is not None and sites.begins(name):
                remedy.begin(value)
            for module, patch in remedy.patches(value).items():
                found.setdefault(module, []).append(_guarded(name, sites.choosing(name, module, patch)))
        except Exception as error:  # noqa: BLE001
            _failed(name, error)
    for module, last in patches.items():
        found.setdefault(module, []).append(last)
    return {module: functools.partial(_each, steps) for module, steps in found.items()}


def _each(steps: list[Patch], module: Any) -> None:
    for step in steps:
        step(module)


def _guarded(name: str, patch: Callable[[Any], None]) -> Patch:
    def guarded(module: Any) -> None:
        try:
            patch(module)
        except Exception as error:  # noqa: BLE001
            _failed(name, error)

    return guarded


def _failed(name: str, error: Exception) -> None:
    """A remedy that does not fit what it finds is not applied, and says so."""
    recorder.fault("remedy " + name, error)
    log.note(name, log.REFUSED, str(error) or repr(error))
