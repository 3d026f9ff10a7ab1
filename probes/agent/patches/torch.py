"""The two events that every training loop on torch has: a backward pass and an optimizer step."""

from __future__ import annotations

import functools
from typing import Any

from .. import layout
from ..marks import note_failure
from ..recorder import phase_id, recorder


def _patch_tensor(module: Any) -> None:
    backward = module.Tensor.backward
    phase = phase_id("backward")

    @functools.wraps(backward)
    def marked(*args: Any, **kwargs: Any) -> Any:
        token = recorder.enter(phase)
        try:
            return backward(*args, **kwargs)
        except BaseException as error:
            note_failure(error)
            raise
        finally:
            recorder.leave(token)

    module.Tensor.backward = marked


def _patch_optimizer(module: Any) -> None:
    phase = phase_id("optimizer")
    open_tokens: list[int] = []

    def before(optimizer: Any, args: Any, kwargs: Any) -> None:
        open_tokens.append(recorder.enter(phase))

    def after(optimizer: Any, args: Any, kwargs: Any) -> None:
        recorder.words[layout.OPTIMIZER_STEPS] += 1
        if open_tokens:
            recorder.leave(open_tokens.pop())

    module.register_optimizer_step_pre_hook(before)
    module.register_optimizer_step_post_hook(after)


PATCHES = {"torch._tensor": _patch_tensor, "torch.optim.optimizer": _patch_optimizer}
