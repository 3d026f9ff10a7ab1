"""Environments: a step or reset of the innermost environment, also outside any vectorised one."""

from __future__ import annotations

from typing import Any

from .. import layout
from ..marks import Function, mark
from ..recorder import phase_id, recorder
from ..samples import steps_of_worker
from ..watched import watch_class
from ..worker import as_worker

_STEP, _RESET = {"step": "env.step"}, {"reset": "env.reset"}
_NUMBER_OF_RESET = phase_id("env.reset")


def _wrap(function: Function, phase: str, name: str) -> Function:
    return mark(function, phase)


def _wrap_reset(function: Function, phase: str, name: str) -> Function:
    return mark(function, phase, _before_reset)


def _before_reset(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if not recorder.owns_phases():
        return
    # At once also while its mark is at rest: that no episode ends in a long evaluation is not to be said in error.
    recorder.tell_count(_NUMBER_OF_RESET)
    if recorder.words[layout.WORKER_INDEX] >= 0:
        steps_of_worker.may_begin()


def _patch_core(module: Any) -> None:
    def is_wrapper(cls: type) -> bool:
        # Wrappers only pass the call on: marking each layer would count one step several times.
        return issubclass(cls, module.Wrapper)

    watch_class(module.Env, _STEP, _wrap, skip=is_wrapper, places=steps_of_worker.places)
    watch_class(module.Env, _RESET, _wrap_reset, skip=is_wrapper)


def _patch_vector(module: Any) -> None:
    # "VectorEnvWrapper" before gymnasium 1.0.
    wrapper = getattr(module, "VectorWrapper", None) or module.VectorEnvWrapper

    def is_wrapper(cls: type) -> bool:
        return issubclass(cls, wrapper)

    # "step" is made of both halves where there are two; a program may call them itself.
    watch_class(module.VectorEnv, {**_STEP, "step_wait": "env.step", **_RESET}, _wrap, skip=is_wrapper)


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
