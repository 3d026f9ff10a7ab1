"""ARS (sb3-contrib): a random search without any optimiser, whose steps are the lengths of its candidates' episodes."""

from __future__ import annotations

from repro.checkpoints.algorithms.interface import Algorithm, Settings, Stretch, Work, steps_text


def _work(settings: Settings, stretch: Stretch) -> Work:
    return Work(f"{steps_text(stretch)} of ARS leave no optimiser steps: it has no optimiser", {}, None)


def _pause(settings: Settings) -> int:
    # Its progress is that of the beginning of an iteration, which is as long as its episodes are.
    return settings.data.count("num_timesteps") or 0


ALGORITHMS = (
    Algorithm(
        name=lambda _: "ARS",
        matches=lambda data: "n_delta" in data and "n_top" in data,
        work=_work,
        pause=_pause,
        has_optimiser=False,
    ),
)
