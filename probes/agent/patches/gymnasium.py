"""Environments: a step or reset of the innermost environment, also outside any vectorised one."""

from __future__ import annotations

from typing import Any

from ..marks import Function, mark
from ..watched import watch_class
from ..worker import as_worker

_METHODS = {"step": "env.step", "reset": "env.reset"}


def _wrap(function: Function, phase: str, name: str) -> Function:
    return mark(function, phase)


def _patch_core(module: Any) -> None:
    def is_wrapper(cls: type) -> bool:
        # Wrappers only pass the call on: marking each layer would count one step several times.
        return issubclass(cls, module.Wrapper)

    watch_class(module.Env, _METHODS, _wrap, skip=is_wrapper)


def _patch_vector(module: Any) -> None:
    # "VectorEnvWrapper" before gymnasium 1.0.
    wrapper = getattr(module, "VectorWrapper", None) or module.VectorEnvWrapper

    def is_wrapper(cls: type) -> bool:
        return issubclass(cls, wrapper)

    watch_class(module.VectorEnv, _METHODS, _wrap, skip=is_wrapper)


def _patch_async_vector(module: Any) -> None:
    for name in ("_async_worker", "_worker", "_worker_shared_memory"):
        function = getattr(module, name, None)
        if function is not None:
            setattr(module, name, as_worker(function, lambda args: args[0]))


PATCHES = {
    f"{library}.{name}": patch
    for library in ("gymnasium", "gym")
    for name, patch in (
        ("core", _patch_core),
        ("vector.vector_env", _patch_vector),
        ("vector.async_vector_env", _patch_async_vector),
    )
}
