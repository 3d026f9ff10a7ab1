"""Where two runs part, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from matrix.bisecting.steps import Comparison, LastEvent
from matrix.bisecting.zoom import Value
from reports import plain

_MOST = 8
"""Processes whose last event is shown."""


def lines(comparison: Comparison, value: Value | None, *, zoomed: bool = False) -> list[str]:
    """
    For a terminal: label and text.

    :param zoomed: whether a value was looked for.
    """
    return [f"{label:<12}{plain.line(text)}".rstrip() for label, text in _rows(comparison, value, zoomed)]


def value_json(value: Value | None) -> dict[str, Any] | None:
    """As a JSON object."""
    return None if value is None else asdict(value)


def _rows(comparison: Comparison, value: Value | None, zoomed: bool) -> Iterator[tuple[str, str]]:
    parting = comparison.parting
    if parting is None:
        yield "", f"no difference in {comparison.compared} rollouts" if comparison.compared else "nothing to compare"
    else:
        yield "", f"they part in phase {parting.phase}, step {parting.step}"
        yield "first", parting.says
    if value is not None:
        yield "value", value.says
        yield "in all", f"{value.differing} elements of that rollout differ"
    elif zoomed and parting is not None:
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
