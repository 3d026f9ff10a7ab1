"""Executors: where trials run. A new kind is one file here."""

from __future__ import annotations

from matrix.executors.interface import Allotment, Executor, Needs, Task
from matrix.executors.local import LocalExecutor, usable_cores

__all__ = ["Allotment", "Executor", "LocalExecutor", "Needs", "Task", "usable_cores"]
