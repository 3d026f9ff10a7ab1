"""ARS (sb3-contrib): a random search without any optimiser, whose steps are the lengths of its candidates' episodes."""

from __future__ import annotations

from repro.checkpoints.algorithms.interface import Algorithm, Settings, Stretch, Work, steps_text


def _work(settings: Settings, stretch: Stretch) -> Work:
    return Work(f"{steps_text(stretch)} of ARS leave no optimiser steps: it has no optimiser", {}, None)


ALGORITHMS = (
    Algorithm(
        name=lambda _: "ARS",
        matches=lambda data: "n_delta" in data and "n_top" in data,
        work=_work,
        pause=None,  # as long as the episodes of an iteration
        has_optimiser=False,
        family="random search",
    ),
)
