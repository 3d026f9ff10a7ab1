"""Environments: a step or reset of the innermost environment, also outside any vectorised one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..marks import Mark, watch_class


def _patch_core(module: Any) -> None:
    def wrap(function: Callable[..., Any], phase: str, name: str) -> Mark:
        return Mark(function, phase)

    def is_wrapper(cls: type) -> bool:
        # Wrappers only pass the call on: marking each layer would count one step several times.
        return issubclass(cls, module.Wrapper)

    watch_class(module.Env, {"step": "env.step", "reset": "env.reset"}, wrap, skip=is_wrapper)


PATCHES = {"gymnasium.core": _patch_core, "gym.core": _patch_core}
