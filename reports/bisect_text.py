"""What a bisection found, for a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from matrix.bisect.certificate import Certificate, Pair
from matrix.bisecting.result import Result
from matrix.bisecting.runs import spent_s
from matrix.bisecting.search import INTERRUPTED, NOTHING_LEFT, OUT_OF_BUDGET
from matrix.bisecting.view import name_of
from matrix.running.view import duration
from reports import plain
from reports.redaction.redactor import Redactor

_ENDINGS = {
    OUT_OF_BUDGET: "the budget is used up",
    INTERRUPTED: "interrupted",
    NOTHING_LEFT: "what is left can't be tried, or tells nothing more",
}
_MOST = 5


def headline(result: Result) -> str:
    """One sentence."""
    conclusion = result.conclusion
    if conclusion is None:
        return f"inconclusive: {_ENDINGS.get(result.why_ended, result.why_ended)}"
    if not conclusion.found:
        return f"no culprit: all fare alike, or the environment drifted ({_percent(conclusion.probability)})"
    culprits = " or ".join(name_of(each) for each in (conclusion.culprit, *conclusion.alternatives))
    package = f"{result.facts.get('package')} " if result.facts.get("package") else ""
    return f"culprit: {package}{culprits} ({_percent(conclusion.probability)})"


def lines(result: Result) -> list[str]:
    """For a terminal: label and text, without secrets."""
    redactor = Redactor(people=False)
    return [f"{label:<12}{plain.line(redactor.text(text))}".rstrip() for label, text in _rows(result)]


def candidate_name(candidate: object) -> str:
    """A candidate, short."""
    if isinstance(candidate, str):
        return candidate
    if isinstance(candidate, tuple):
        return name_of(tuple(map(str, candidate))) if candidate else "the good end"
    return str(candidate)


def _rows(result: Result) -> list[tuple[str, str]]:
    rows = [("", headline(result))]
    rows += list(transition(result.facts))
    if result.certificate is not None:
        rows += list(_certificate(result.certificate))
        rows.append(("runs", _spent(result)))
    else:
        rows += [("", f"{_percent(share)} {name_of(culprit)}") for culprit, share in result.posterior[:_MOST]]
        rows.append(("runs", _spent(result)))
    rows += [("note", note) for note in result.notes]
    if result.conclusion is None:
        rows.append(("go on", f"{shlex.join(result.go_on)}  (a --budget counts all runs)"))
    elif result.again:
        rows.append(("again", shlex.join(result.again)))
    return rows


def transition(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Label and text: releases or levels between which it came, where changes are told, and the smallest that fails."""
    for name, levels in _mapping(facts.get("levels")).items():
        yield "level", f"{name}: {_level(levels[0])} passes, {_level(levels[1])} fails"
    for sites in facts.get("culprits") or ():
        yield "site", " with ".join(map(str, sites))
    smallest = _mapping(facts.get("shrunk"))
    if smallest:
        yield "smaller", ", ".join(f"{name} {_level(old)} -> {_level(new)}" for name, (old, new) in smallest.items())
    if facts.get("reproducer"):
        yield "reproducer", str(facts["reproducer"])
    good, bad = facts.get("good"), facts.get("bad")
    if not isinstance(good, Mapping) or not isinstance(bad, Mapping):
        return
    yield "transition", f"{_release(good)} passes, {_release(bad)} fails"
    yield "changes", str(bad.get("changes") or "no link in the release's metadata")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _level(level: object) -> str:
    return str(level).lower() if isinstance(level, bool) else str(level)


def _release(side: Mapping[str, Any]) -> str:
    return f"{side['version']} ({side['released'] or 'date unknown'})"


def _certificate(certificate: Certificate) -> Iterator[tuple[str, str]]:
    if certificate.signature:
        yield "sought", certificate.signature
    for pair in certificate.pairs:
        yield "shown", f"{pair.shows}: {_counts(pair)}"
    for group in certificate.inseparable:
        yield "inseparable", ", ".join(group)
    if certificate.unresolved:
        names = [f"{candidate_name(candidate)} ({why})" for candidate, why in certificate.unresolved]
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        yield "not tried", ", ".join(names[:_MOST]) + more


def _spent(result: Result) -> str:
    earlier = f"; {len(result.earlier)} earlier ones counted, too" if result.earlier else ""
    return f"{len(result.runs)} in {duration(spent_s(result.runs))}{earlier}"


def _counts(pair: Pair) -> str:
    good, bad = pair.good_freezes + pair.good_passes, pair.bad_freezes + pair.bad_passes
    return (
        f"{candidate_name(pair.bad)} failed in {pair.bad_freezes} of {bad} runs, "
        f"{candidate_name(pair.good)} in {pair.good_freezes} of {good}"
    )


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.999 else "over 99.9%"
