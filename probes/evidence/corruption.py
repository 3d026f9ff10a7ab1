"""What the agent's checks of the training data found: changed bytes, numbers that are none, other answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from probes.evidence.observed import Observed
from probes.observer import Observations
from probes.progress import Progress

KINDS = ("aliased-observation", "buffer-changed", "semantic-mismatch", "non-finite")
"""Each is certain by itself."""
_INPUTS = ("observations", "next_observations", "actions")
"""A network may know what to do with an Inf in these; in any other array it ends the training."""


def corruption(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """One observation for each kind of finding, with all findings of that kind."""
    found = [item for item in progress.findings() if _is_finding(item)]
    harmless = [item for item in found if item["kind"] == "non-finite" and _array(item) in _INPUTS]
    if harmless:
        yield _observed("non-finite-input", harmless, seen)
    for kind in KINDS:
        items = [item for item in found if item["kind"] == kind and item not in harmless]
        if items:
            yield _observed(kind, items, seen)


def _is_finding(item: dict[str, Any]) -> bool:
    """Whether it is what the agent writes: the file may be damaged, or another version's."""
    types: dict[str, type] = {"kind": str, "subject": str, "step": int, "phases": list, "at_ns": int, "times": int}
    return all(isinstance(item.get(key), expected) for key, expected in types.items())


def _array(item: dict[str, Any]) -> str:
    return str(item["subject"]).partition("[")[0]


def _observed(kind: str, items: list[dict[str, Any]], seen: Observations) -> Observed:
    first = min(items, key=lambda item: item["at_ns"])
    says = _SAYS[first["kind"]](first)
    others = [str(item["subject"]) for item in items if item is not first]
    if others:
        says += f"; {', '.join(dict.fromkeys(others))} too"
    if first["times"] > 1:
        says += f"; seen {first['times']} times or more"
    writer, giver = first.get("writer"), first.get("giver")
    known = isinstance(giver, dict) and {"function", "file", "line"} <= giver.keys()
    if isinstance(giver, dict) and known:
        says += f"; rewards come from {giver['function']}"
    return Observed(
        kind,
        seen.at_s(first["at_ns"]),
        says,
        {
            "step": first["step"],
            "phase": _phase(first),
            "phases": first["phases"],
            "writer": writer if isinstance(writer, dict) else None,
            "giver": giver if known else None,
            "findings": items,
        },
    )


def _phase(item: dict[str, Any]) -> str | None:
    """The phase in which it happened, not that in which it was noticed."""
    # Rows are stored while collecting; those of a replay buffer are looked at when they are sampled.
    if item["kind"] == "non-finite" or (item["kind"] == "aliased-observation" and "train" not in item["phases"]):
        return "collect"
    if item["kind"] == "buffer-changed":
        if item.get("writer") is not None:
            return "callback"
        if str(item.get("after")).startswith("epoch "):
            return "train"
    return None


def _changed(item: dict[str, Any]) -> str:
    places = item.get("places") or [{}]
    listed = ", ".join(_place(place) for place in places[:3])
    more = len(places) - 3 + int(item.get("more_places") or 0)
    listed += f" and {more} more places" if more > 0 else ""
    after, before = item.get("after"), item.get("before")
    writer = item.get("writer")
    if isinstance(writer, dict):
        return (
            f"{listed} of {item['subject']} changed while {writer.get('function')} ran at step {item['step']}, "
            "which is no writer of the buffer's own"
        )
    return (
        f"{listed} of {item['subject']} changed between {after} and {before} at step {item['step']}, "
        "with no writer of the buffer's own"
    )


def _place(place: dict[str, Any]) -> str:
    first, last = (place.get("rows") or [None, None])[:2]
    rows = f"row {first}" if first == last else f"rows {first}..{last}"
    env = place.get("env")
    return rows if env is None else f"{rows} (env {env})"


def _non_finite(item: dict[str, Any]) -> str:
    return (
        f"{item['subject']} held {item.get('nan')} NaN and {item.get('inf')} Inf, the first in row {item.get('row')} "
        f"(env {item.get('env')}), at step {item['step']}"
    )


def _mismatch(item: dict[str, Any]) -> str:
    return (
        f"before the first optimizer step of an update, the policy that collected row {item.get('row')} "
        f"(env {item.get('env')}) no longer gives its stored {item['subject']}: {_number(item.get('stored'))} is "
        f"stored, {_number(item.get('now'))} is what the stored observation and action give "
        f"({item.get('differing')} of {item.get('asked')} rows asked differ), at step {item['step']}"
    )


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, (int, float)) else str(value)


def _aliased(item: dict[str, Any]) -> str:
    env = item.get("env")
    of = f"{item.get('class')} (env {env})" if env is not None else str(item.get("class"))
    if item["subject"] == "terminal_observation":
        return (
            f"{of} reuses its array of {item.get('array')}: the terminal_observation of an episode cut off by its "
            f"time limit was overwritten by the reset, at step {item['step']}"
        )
    return (
        f"{of} handed out the same memory for two steps in a row: {item.get('array')} were overwritten before they "
        f"were stored, at step {item['step']}"
    )


_SAYS = {
    "aliased-observation": _aliased,
    "buffer-changed": _changed,
    "semantic-mismatch": _mismatch,
    "non-finite": _non_finite,
}
