"""
Verified means verified: the same command again, with nothing changed but a remedy, and does it move?

The second run has the first one's limits and a folder of its own inside the first one's.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from probes import fingerprint
from probes.agent.remedies.interface import Remedy
from probes.diagnosis import Diagnosis
from probes.diagnosis import Remedy as Proof
from probes.remedies import Choice, curing, of
from probes.verdicts import Verdict
from probes.watch import Status, WatchOptions, watch

FOLDER = "remedies"
"""In the run's folder: a run's folder for each remedy that was tried."""
MOVED_RATIO = 1.5
"""A slow phase has moved if it takes less than 1 / 1.5 of the time it took: more than a busy machine explains."""
_SLOW = (Verdict.SLOW_PHASE, Verdict.SLOWDOWN)


def candidates(first: Diagnosis) -> tuple[Remedy, ...]:
    """The remedies worth a second run: they remove the cause, and the run did not have them already."""
    proposed = {item.id for item in first.remedies}
    return tuple(remedy for remedy in curing(first.cause) if remedy.id in proposed)


def verify(
    command: Sequence[str],
    first: Diagnosis,
    options: WatchOptions,
    *,
    on_status: Callable[[Remedy, Status], None] | None = None,
    on_proof: Callable[[Proof], None] | None = None,
) -> Diagnosis:
    """
    Tries each remedy of the cause, and returns the diagnosis with what came of it, which is also written down.

    :param first: the run that was diagnosed.
    :param options: as it was watched; its folder holds the others.
    :raises KeyboardInterrupt: on Ctrl-C, once the whole process family has ended; what was proven stays.
    """
    diagnosis = first
    for remedy in candidates(first):

        def status(now: Status, remedy: Remedy = remedy) -> None:
            if on_status is not None:
                on_status(remedy, now)

        out = options.out / FOLDER / remedy.id
        again = dataclasses.replace(
            options,
            out=out,
            remedies=(*options.remedies, Choice(remedy)),
            show_out=None,
            show_err=None,
            on_status=status,
        )
        proof = prove(remedy, first, watch(command, again), agreement(options.out, out))
        diagnosis = dataclasses.replace(
            diagnosis, remedies=tuple(proof if item.id == proof.id else item for item in diagnosis.remedies)
        )
        _keep(diagnosis, options.out)
        if on_proof is not None:
            on_proof(proof)
    return diagnosis


def _keep(diagnosis: Diagnosis, out: Path) -> None:
    (out / "diagnosis.json").write_text(json.dumps(diagnosis.to_json(), indent=1), encoding="utf-8")


def prove(remedy: Remedy, first: Diagnosis, second: Diagnosis, agrees: str) -> Proof:
    """
    What a second run proves.

    :param agrees: whether results agree, as a clause.
    """
    became = next((item for item in of(second) if item.id == remedy.id), None)
    if became is None or not became.applied:
        return Proof(remedy.id, f"not applied: {became.says if became else 'the agent did not get in'}")
    why = f"{became.says}; {agrees}"
    before = duration_s(first) if first.verdict in _SLOW else None
    after = duration_s(second, first.phase) if before is not None else None
    sound = second.verdict is Verdict.HEALTHY or second.verdict in _SLOW
    if before is not None and after:
        ratio = before / after
        if not sound:
            why = f"{why}; but the second run ended as {second.verdict}"
        moved = sound and ratio >= MOVED_RATIO
        return Proof(remedy.id, why, moved, round(before, 4), round(after, 4), round(ratio, 2))
    # What never ended has no duration: it has moved if the run came further.
    one, other = reached(first), reached(second)
    further = other > one and (sound or second.verdict is not first.verdict)
    well = other == one and second.verdict is Verdict.HEALTHY and first.verdict not in _SLOW
    came = f"it came to step {other} as {second.verdict}, before to step {one} as {first.verdict}"
    return Proof(remedy.id, f"{why}; {came}", further or well, after=float(other))


def reached(diagnosis: Diagnosis) -> int:
    """The last step that is known of a run."""
    return max(diagnosis.step or 0, *(int(item["step"]) for item in diagnosis.timing.iterations), 0)


def duration_s(diagnosis: Diagnosis, phase: str | None = None) -> float | None:
    """
    How long the phase usually takes: the median of the updates that ended, otherwise its mean; None if it never ended.

    :param phase: default that of the verdict.
    """
    phase = phase or diagnosis.phase
    if phase == "train":
        updates = [item["train_s"] for item in diagnosis.timing.iterations if item["train_s"] is not None]
        if updates:
            return float(statistics.median(updates))
    total = diagnosis.timing.phases.get(phase or "")
    return total["total_s"] / total["count"] if total else None


def agreement(first: Path, second: Path) -> str:
    """Whether two runs collected the same first rollout, as a clause; from their folders."""
    one, other = (fingerprint.read(folder / "flight")[:1] for folder in (first, second))
    if not one or not other:
        return "whether results agree is not known, for a rollout was not seen to its end"
    difference = fingerprint.compare(one, other)
    if difference is None:
        return "the first rollout is the same bit by bit"
    return f"{difference.says}, so that results can't be compared (is the command's seed fixed?)"
