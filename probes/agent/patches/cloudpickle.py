"""Classes of a ``__main__`` that come to a worker by value: made empty, filled in afterwards, and only then marked."""

from __future__ import annotations

import functools
from typing import Any

from ..recorder import recorder
from ..watched import mark_again


def _patch(module: Any) -> None:
    fill = vars(module).get("_class_setstate")
    if fill is None:
        return

    # Under its own name and module: pickles refer to it by these.
    @functools.wraps(fill)
    def class_setstate(cls: Any, state: Any) -> Any:
        filled = fill(cls, state)
        try:
            mark_again(cls)
        except Exception as error:  # noqa: BLE001
            recorder.fault("class by value", error)
        return filled

    module._class_setstate = class_setstate


# Before 3.0 the second one has it.
PATCHES = {"cloudpickle.cloudpickle": _patch, "cloudpickle.cloudpickle_fast": _patch}
