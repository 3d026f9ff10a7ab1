"""Where the time of one run went: by iteration, by phase, by function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from probes.diagnosis import Diagnosis, Evidence
from reports import markdown as md
from reports import wording
from reports.pictures.history import Span
from reports.pictures.of_run import RunPictures

_MAX_ITERATIONS = 12
_SPEEDSCOPE = "https://www.speedscope.app"


def section(diagnosis: Diagnosis, drawn: RunPictures) -> Iterator[str]:
    """The whole section; nothing if nothing is known."""
    parts = [
        *_iterations(diagnosis),
        *_phases(diagnosis, drawn.unended),
        *samples(diagnosis.evidence),
        *(part for flame in drawn.flames for part in md.figure(flame)),
        *_profiles(diagnosis),
    ]
    if parts:
        yield "## Where the time went"
        yield from parts


def samples(items: Iterable[Evidence]) -> Iterator[str]:
    """Where the samples of the profile fall."""
    found = next((item.detail for item in items if item.kind == "samples"), {})
    rows = found.get("rows")
    if not rows:
        return
    yield f"Where {found['samples']} samples below {md.code(found['below'])} fall (a function with all it calls):"
    yield md.table(
        ("function", "share"),
        [(md.code(f"{row['function']} ({row['place']})"), wording.percent(row["share"])) for row in rows],
        numeric=(1,),
    )
    if found.get("stack"):
        yield md.fold("The stack that was sampled most often, outermost first", md.block("\n".join(found["stack"])))


def _iterations(diagnosis: Diagnosis) -> Iterator[str]:
    rows = wording.visible_iterations(diagnosis)
    if not rows:
        return
    half = _MAX_ITERATIONS // 2
    shown = rows if len(rows) <= _MAX_ITERATIONS else [*rows[:half], *rows[-half:]]
    yield "### Rollouts and updates, side by side"
    yield md.table(
        ("at step", "rollout", "the update after it", "ratio", "minibatches"),
        [
            (
                str(row["step"]),
                wording.seconds(row["collect_s"]),
                wording.seconds(row["train_s"]),
                f"{row['train_s'] / row['collect_s']:.1f}" if row["collect_s"] else "—",
                str(row["minibatches"]),
            )
            for row in shown
        ],
        numeric=range(5),
    )
    if len(rows) > len(shown):
        yield f"(the first {_MAX_ITERATIONS // 2} and the last of {len(rows)} that were kept)"


def _phases(diagnosis: Diagnosis, unended: Sequence[Span]) -> Iterator[str]:
    phases = diagnosis.timing.phases
    if not (phases or unended):
        return
    longest_first = sorted(phases.items(), key=lambda row: -row[1]["total_s"])
    yield "### Phases"
    yield "A phase's time includes that of the phases inside it."
    yield md.table(
        ("phase", "times", "in all", "of the run", "on average", "longest"),
        [*(_unended(diagnosis, span) for span in unended), *(_phase(diagnosis, *row) for row in longest_first)],
        numeric=range(1, 6),
    )


def _unended(diagnosis: Diagnosis, span: Span) -> tuple[str, ...]:
    lasted_s = span.end_s - span.start_s
    return (
        f"**{md.text(span.phase)}**, the last, not ended", "1", wording.seconds(lasted_s), _share(diagnosis, lasted_s),
        "—", wording.seconds(lasted_s),
    )  # fmt: skip


def _phase(diagnosis: Diagnosis, name: str, total: Mapping[str, float]) -> tuple[str, ...]:
    in_all_s, times = total["total_s"], total["count"]
    return (
        md.text(name), f"{times:.0f}", wording.seconds(in_all_s), _share(diagnosis, in_all_s),
        wording.seconds(in_all_s / max(times, 1)), wording.seconds(total["max_s"]),
    )  # fmt: skip


def _share(diagnosis: Diagnosis, seconds: float) -> str:
    whole_s = diagnosis.timing.observed_s
    if whole_s <= 0:
        return "—"
    return wording.percent(min(seconds / whole_s, 1.0)) if seconds >= whole_s / 100 else "under 1 %"


def _profiles(diagnosis: Diagnosis) -> Iterator[str]:
    found = [md.code(path) for path in diagnosis.artifacts.values() if path.endswith(".speedscope.json")]
    if found:
        which = "it" if len(found) == 1 else "one of them"
        yield f"All samples are in {wording.listed(found)}, beside this report: drop {which} on <{_SPEEDSCOPE}>."
