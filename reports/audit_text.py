"""What ``freezelab audit`` says of a checkpoint, as text; its JSON is the document itself."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from matrix.environments.amounts import size_text

_WIDTH = 110
_IMPORTS = 2
_BY_SETTINGS = {"optimiser-short", "updates-short", "epochs-without-steps", "other-settings-throughout"}
"""Evidence that stands or falls with the settings in the file."""
_OTHER_SETTINGS = (
    "if it was trained with other settings than those in the file, which loading it with others and saving it again "
    "leaves, give the true ones: --n-steps, --batch-size, --n-epochs, --n-envs"
)
_SIGNS = {"trained": "fits", None: "note"}
_SYSTEM = {"Stable-Baselines3": "stable-baselines3", "PyTorch": "torch", "Python": "Python", "Gymnasium": "gymnasium"}


def text(document: Mapping[str, Any]) -> str:
    """
    Verdict, arithmetic, evidence, and what could not be read.

    :param document: schema ``freezelab.audit/1``.
    """
    decisive = [item for item in document["evidence"] if item["decisive"]]
    rest = [item for item in document["evidence"] if not item["decisive"]]
    lines = [f"verdict   {document['verdict']}", *_wrapped("", document["summary"])]
    for number, item in enumerate(decisive):
        lines += _wrapped("" if number else "because", item["says"])
    if decisive and {item["kind"] for item in decisive} <= _BY_SETTINGS:
        lines += _wrapped("but", _OTHER_SETTINGS)
    lines += ["", *_table(document)]
    if rest:
        lines += ["", "evidence"]
        for item in rest:
            lines += _wrapped(f"  {_SIGNS.get(item['for'], 'but')}", item["says"])
    if document["findings"]:
        lines += ["", "also"]
        for item in document["findings"]:
            lines += _wrapped(f"  {item['level']}", f"{item['where']}: {item['says']}")
    lines += ["", *_pickles(document["pickles"])]
    return "\n".join(lines)


def _wrapped(head: str, says: str) -> list[str]:
    says = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in says)
    lines = textwrap.wrap(says, _WIDTH - 10, break_on_hyphens=False) or [""]
    return [f"{head if not number else '':<10}{line}".rstrip() for number, line in enumerate(lines)]


def _table(document: Mapping[str, Any]) -> list[str]:
    counters, saved = document["counters"], document["saved"]
    rows = [("file", f"{document['checkpoint']} ({size_text(document['bytes'])})")]
    if document["base"] is not None:
        base = document["base"]
        rows.append(("base", f"{base['checkpoint']}: {base['claimed_steps']:,} steps; by itself {base['verdict']}"))
    if document["ledger"] is not None:
        rows.append(("ledger", document["ledger"]))
    settings = ", ".join(f"{name} {value}" for name, value in document["settings"].items() if value is not None)
    rows.append(("model", f"{document['algorithm'] or 'unknown algorithm'}: {settings}"))
    rows.append(("claims", f"{document['claimed_steps']:,} steps (num_timesteps)"))
    shown = document["shown_steps"]
    rows.append(("shows", "unknown" if shown is None else f"{shown:,} steps"))
    if counters["_n_updates"] is not None:
        rows.append(("updates", f"{counters['_n_updates']:,} (_n_updates)"))
    for name, item in counters["optimisers"].items():
        steps = "steps not counted" if item["steps"] is None else f"{item['steps']:,} steps"
        some = item["parameters_stepped"]
        of = f"{some} of {item['parameters']} parameters" if some < item["parameters"] else "all parameters"
        rows.append((name, f"{steps} ({item['kind']}, {of if item['steps'] else 'no parameter'})"))
    if counters["_total_timesteps"] is not None:
        begun = counters["_num_timesteps_at_start"]
        asked = "" if begun is None else f"began at {begun:,}, was "
        rows.append(("last learn()", f"{asked}to go to {counters['_total_timesteps']:,.10g}"))
    versions = [f"{said} {saved['system'][name]}" for name, said in _SYSTEM.items() if name in saved["system"]]
    if not versions and saved["stable_baselines3"]:
        versions = [f"stable-baselines3 {saved['stable_baselines3']}"]
    begun = f"last learn() began {saved['last_learn_began']} (UTC), " if saved["last_learn_began"] else ""
    rows.append(("made by", ", ".join(versions) or "unknown versions"))
    rows.append(("times", f"{begun}written {saved['written_local_time']} by its machine's clock"))
    width = max(len(name) for name, _ in rows) + 2
    lines = []
    for name, says in rows:
        says = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in says)
        wrapped = textwrap.wrap(says, _WIDTH - width, break_on_hyphens=False) or [""]
        lines += [f"{name if not number else '':<{width}}{line}" for number, line in enumerate(wrapped)]
    return lines


def _pickles(items: list[dict[str, Any]]) -> list[str]:
    if not items:
        return ["no pickles in it"]
    width = max(len(item["name"]) for item in items)
    lines = [f"{len(items)} pickles in it, looked at and not loaded:"]
    for item in items:
        imports = ", ".join(item["imports"][:_IMPORTS]) or "nothing"
        more = len(item["imports"]) + item["more_imports"] - _IMPORTS
        also = f" and {more} more" if more > 0 else ""
        flag = "  DANGEROUS" if item["dangerous"] else "  holds code" if item["carries_code"] else ""
        says = f"not read: {item['problem']}" if item["problem"] else f"imports {imports}{also}{flag}"
        line = f"  {item['name']:{width}}  {item['bytes']:>8,} bytes  {says}"
        lines.append("".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line))
    return lines
