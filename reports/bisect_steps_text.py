"""Where two runs part, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from matrix.bisecting.steps import Comparison, LastEvent
from matrix.bisecting.zoom import Zoomed
from reports import plain

_MOST = 8
"""Processes whose last event is shown."""


def lines(comparison: Comparison, zoomed: Zoomed | None) -> list[str]:
    """
    For a terminal: label and text.

    :param zoomed: what was seen where they part, if that was looked at.
    """
    return [f"{label:<12}{plain.line(text)}".rstrip() for label, text in _rows(comparison, zoomed)]


def zoomed_json(zoomed: Zoomed | None) -> dict[str, Any]:
    """As a JSON object."""
    return {"value": None, "update": None} if zoomed is None else asdict(zoomed)


def _rows(comparison: Comparison, zoomed: Zoomed | None) -> Iterator[tuple[str, str]]:
    value, update = (zoomed.value, zoomed.update) if zoomed is not None else (None, None)
    parting = comparison.parting
    if parting is None:
        yield "", f"no difference in {comparison.compared} rollouts" if comparison.compared else "nothing to compare"
    else:
        yield "", f"they part in phase {parting.phase}, step {parting.step}"
        yield "first", parting.says
    if update is not None:
        yield "update", update.says
    if value is not None:
        yield "value", value.says
        yield "in all", f"{value.differing} elements of that rollout differ"
    elif zoomed is not None and update is None and parting is not None:
        yield "value", "run again, the two did not differ there: the difference does not come every time"
    if comparison.noise is not None:
        yield "A and A2", f"part, too: {comparison.noise.says}"
    if comparison.compared:
        yield "judgement", comparison.judgement
    for event in comparison.last[:_MOST]:
        yield "last event", _event(event)


def _event(event: LastEvent) -> str:
    where = " > ".join(event.path)
    parts = [f"{event.process} in {where}", "" if event.step is None else f"step {event.step}"]
    parts += [f"epoch {event.epoch}"] if event.epoch else []
    parts += [f"minibatch {event.minibatch}/{event.n_minibatches}"] if event.minibatch else []
    parts += [f"after {event.event}" if event.event else "no event was recorded"]
    parts += [f"{event.events} events in all"]
    parts += [f"the last at {event.at_s:g} s" if event.at_s is not None else ""]
    return ", ".join(part for part in parts if part)
