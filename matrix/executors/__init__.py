"""Executors: where trials run. A new kind is one file here."""

from __future__ import annotations

from matrix.executors.interface import Executor, Task
from matrix.executors.local import LocalExecutor, usable_cores

__all__ = ["Executor", "LocalExecutor", "Task", "usable_cores"]
