"""Plans of earlier versions, made into what is read today: an old sweep can still be reported on, and resumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrix.plan.cells import Cell, VersionSet
from matrix.plan.packing import pack_cells

VERSION_1 = "freezelab.plan/1"


def from_version_1(value: Mapping[str, Any]) -> dict[str, Any]:
    """
    The same plan in the form of version 2: cells as columns; there were no constraints, weights or costs yet.

    :raises KeyError, TypeError, AttributeError: it is no such plan.
    """
    cells = [
        Cell(
            levels=cell["levels"],
            versions=VersionSet(**{**cell["versions"], "requirements": tuple(cell["versions"]["requirements"])}),
            arguments=tuple(cell["arguments"]),
            label=cell["label"],
            why=cell["why"],
        )
        for cell in value["cells"]
    ]
    return {**value, "cells": pack_cells(cells), "constraints": [], "weights": {}, "costs": {}}
