"""Calls us back right after a module of interest was imported, and before anyone can use what is in it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .recorder import recorder

Patch = Callable[[Any], None]


class _PostImport:
    """A finder that finds nothing itself: it lets the others find, and adds a step after loading."""

    def __init__(self, patches: dict[str, Patch]) -> None:
        self._patches = patches
        self._inside: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        patch = self._patches.get(name)
        if patch is None or name in self._inside:
            return None
        self._inside.add(name)
        try:
            spec = None
            for finder in sys.meta_path:
                find = getattr(finder, "find_spec", None)
                if finder is self or find is None:
                    continue
                spec = find(name, path, target)
                if spec is not None:
                    break
        finally:
            self._inside.discard(name)
        if spec is not None and spec.loader is not None:
            try:
                self._follow(spec.loader, patch, name)
            except Exception as error:  # noqa: BLE001
                recorder.fault("hook on " + name, error)
        return spec

    @staticmethod
    def _follow(loader: Any, patch: Patch, name: str) -> None:
        execute = loader.exec_module

        def exec_module(module: Any) -> None:
            # The loader stays with the module for good: leave it as it was.
            try:
                del loader.exec_module
            except AttributeError:
                pass
            execute(module)
            try:
                patch(module)
            except Exception as error:  # noqa: BLE001
                recorder.fault("patch of " + name, error)

        loader.exec_module = exec_module


def install(patches: dict[str, Patch]) -> None:
    """
    Arms the hook.

    :param patches: module name to ``patch(module)``.
    """
    sys.meta_path.insert(0, _PostImport(patches))
