"""The two events that every training loop on torch has: a backward pass and an optimizer step."""

from __future__ import annotations

from typing import Any

from .. import layout, marks, updates
from ..checks import zoom
from ..marks import Function, mark
from ..recorder import recorder
from ..watched import watch_class


def _patch_compiler(module: Any) -> None:
    # The dearer question is what was there before 2.1.
    marks.is_compiling = getattr(module, "is_dynamo_compiling", module.is_compiling)


def _patch_autograd(module: Any) -> None:
    # Tensor.backward goes through here too; so do gradient penalties and TRPO's products with the Hessian.
    for name in ("backward", "grad"):
        setattr(module, name, mark(getattr(module, name), "backward", compiled=True))


def _patch_optimizer(module: Any) -> None:
    def wrap(function: Function, phase: str, name: str) -> Function:
        return mark(function, phase, after=_stepped, compiled=True)

    # Not torch's own hooks: those came with 2.0, and the one behind is not called when a step fails.
    watch_class(module.Optimizer, {"step": "optimizer"}, wrap)


def _stepped(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    recorder.words[layout.OPTIMIZER_STEPS] += 1
    if zoom.CHOSEN:
        zoom.stepped(updates.trained())


PATCHES = {
    "torch.autograd": _patch_autograd,
    "torch.compiler": _patch_compiler,
    "torch.optim.optimizer": _patch_optimizer,
}
