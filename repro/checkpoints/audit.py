"""The audit: read, observe, judge."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.checkpoints import ledger as ledger_module
from repro.checkpoints.algorithms import of
from repro.checkpoints.case import Case, Observed, Verdict, settings_of
from repro.checkpoints.checkpoint import Checkpoint, loaded
from repro.checkpoints.dangers import carries_code, dangerous_imports
from repro.checkpoints.data import Embedded
from repro.checkpoints.errors import CheckpointError
from repro.checkpoints.evidence import observe
from repro.checkpoints.health import Finding, Level, examine
from repro.checkpoints.judge import Judgement, judge
from repro.checkpoints.ledger import Told

SCHEMA = "freezelab.audit/1"
_SETTINGS = (
    *("n_steps", "batch_size", "n_epochs", "n_envs", "target_kl", "learning_rate", "learning_starts", "gradient_steps"),
    *("policy_delay", "n_critic_updates", "n_delta"),
)
_GLOBALS_SHOWN = 12


@dataclass(frozen=True)
class Audit:
    """What is said of a checkpoint."""

    verdict: Verdict
    document: dict[str, Any]
    """All of it, as JSON has it (schema ``freezelab.audit/1``)."""

    @property
    def is_false(self) -> bool:
        """Whether the checkpoint is not what it claims to be, or would do harm to whoever loads it."""
        return self.verdict.is_false or any(item["level"] == Level.DANGER for item in self.document["findings"])


def audit(
    path: Path,
    against: Path | None = None,
    given: Mapping[str, int | None] | None = None,
    ledger: Path | None = None,
) -> Audit:
    """
    Says whether a checkpoint was trained as it claims; nothing in it is executed.

    :param against: the checkpoint that it is said to come from.
    :param given: settings that the caller knows better than the file: ``n_steps``, ``batch_size``, ``n_epochs``,
        ``n_envs``; None means not given.
    :param ledger: of ``freezelab extend``; None: the one beside the checkpoint, if there is one.
    :raises CheckpointError: if a file is missing, or is no checkpoint of stable-baselines3.
    """
    try:
        with contextlib.ExitStack() as stack:
            checkpoint = stack.enter_context(loaded(path))
            base = stack.enter_context(loaded(against)) if against else None
            _require_kin(checkpoint, base)
            told = _ledger(path, ledger)
            case = Case(checkpoint, settings_of(checkpoint, given or {}), base, told)
            return _told(case)
    except RecursionError:
        raise CheckpointError(f"{path}: values nested too deeply; stable-baselines3 writes none like that") from None
    except MemoryError:
        raise CheckpointError(f"{path}: it needs more memory than there is") from None


def _ledger(path: Path, given: Path | None) -> Told | None:
    found = given or ledger_module.find(path)
    try:
        return ledger_module.read(found, path) if found else None
    except CheckpointError:
        if given:
            raise
        return None  # some other file of that name


def _require_kin(checkpoint: Checkpoint, base: Checkpoint | None) -> None:
    mine, theirs = of(checkpoint.data), of(base.data) if base else None
    if base is None or mine is None or theirs is None or mine.family == theirs.family:
        return
    raise CheckpointError(
        f"{base.path}: a model of {theirs.name(base.data)}, and {checkpoint.path.name} is one of "
        f"{mine.name(checkpoint.data)}: nothing of the one can be in the other; give the one that it was made from"
    )


def _told(case: Case) -> Audit:
    alone = _alone(case.base) if case.base else None
    observed = observe(case)
    judgement = judge(observed, case.claim, honest_base=not (alone and alone.verdict.is_false))
    shown = _shown(case, judgement)
    document = {
        "schema": SCHEMA,
        "checkpoint": str(case.checkpoint.path),
        "bytes": case.checkpoint.size,
        "verdict": str(judgement.verdict),
        "summary": _summary(case, judgement, shown),
        "claimed_steps": case.claim,
        "shown_steps": shown,
        "algorithm": case.algorithm.name(case.checkpoint.data) if case.algorithm else None,
        "counters": _counters(case.checkpoint),
        "settings": _settings(case),
        "evidence": [_evidence(item, judgement) for item in observed],
        "findings": [_finding(item) for item in examine(case.checkpoint)],
        "pickles": [_embedded(item) for item in case.checkpoint.data.pickled()],
        "unread": dict(case.checkpoint.unread),
        "saved": _saved(case.checkpoint),
        "base": None,
        "ledger": str(case.ledger.path) if case.ledger else None,
    }
    if case.base is not None and alone is not None:
        document["base"] = {
            "checkpoint": str(case.base.path),
            "verdict": str(alone.verdict),
            "claimed_steps": case.base.data.count("num_timesteps") or 0,
        }
    return Audit(judgement.verdict, document)


def _alone(checkpoint: Checkpoint) -> Judgement:
    case = Case(checkpoint, settings_of(checkpoint, {}))
    return judge(observe(case), case.claim)


def _shown(case: Case, judgement: Judgement) -> int | None:
    """Steps that the file shows to have been trained; None if nothing tells."""
    if judgement.verdict is Verdict.INCONSISTENT:
        return None
    told = [item.shown for item in judgement.grounds if item.shown is not None]
    return min(*told, case.claim) if told else None


def _summary(case: Case, judgement: Judgement, shown: int | None) -> str:
    claim = f"{case.claim:,}"
    if not case.claim and judgement.verdict is Verdict.TRAINED:
        return "It claims no training."
    if judgement.verdict is Verdict.TRAINED and _only_collected(case):
        return f"Its {claim} steps were collected, and nothing was trained on them yet, as its settings say."
    of = f"of the {claim} steps that it claims"
    match judgement.verdict:
        case Verdict.TRAINED:
            return f"It was trained for the {claim} steps that it claims, as far as this file can show."
        case Verdict.COUNTER_EDITED:
            return f"Its count of steps was edited: {of}, it shows about {shown or 0:,}."
        case Verdict.WEIGHTS_REPLACED:
            return f"Its weights are not what the {claim} steps that it claims have made: they were put in afterwards."
        case Verdict.OPTIMISER_RESET:
            rest = "its weights are older than its optimiser" if shown is None else f"{of}, it shows the last {shown:,}"
            return f"Weights or count came from another model: {rest}. What it shows fits together."
        case Verdict.INCONSISTENT:
            return "Its numbers contradict each other, so its count of steps can't be believed."
    part = f": {of}, it shows about {shown:,}" if shown is not None else ""
    return f"Whether it was trained as it claims can't be told from this file{part}."


def _only_collected(case: Case) -> bool:
    found = [item for item in case.checkpoint.optimisers.values() if item.counts]
    return bool(found) and not any(item.taken for item in found)


def _evidence(item: Observed, judgement: Judgement) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "says": item.says,
        "for": str(item.speaks_for) if item.speaks_for else None,
        "decisive": item in judgement.grounds,
        **({"detail": dict(item.detail)} if item.detail else {}),
    }


def _finding(item: Finding) -> dict[str, Any]:
    return {"level": str(item.level), "where": item.where, "says": item.says}


def _embedded(item: Embedded) -> dict[str, Any]:
    names = [str(name) for name in item.pickled.globals] if item.pickled else []
    return {
        "name": item.name,
        "type": item.type,
        "bytes": item.size,
        "imports": names[:_GLOBALS_SHOWN],
        "more_imports": max(0, len(names) - _GLOBALS_SHOWN),
        "dangerous": [str(name) for name in dangerous_imports(item.pickled)] if item.pickled else [],
        "carries_code": carries_code(item.pickled) if item.pickled else None,
        "problem": item.problem,
    }


def _counters(checkpoint: Checkpoint) -> dict[str, Any]:
    names = ("num_timesteps", "_num_timesteps_at_start", "_n_updates", "_episode_num")
    return {
        **{name: checkpoint.data.count(name) for name in names},
        "_total_timesteps": checkpoint.data.number("_total_timesteps"),
        "_current_progress_remaining": checkpoint.data.number("_current_progress_remaining"),
        "optimisers": {
            item.name: {
                "kind": item.kind,
                "steps": item.taken if item.counts else None,
                "parameters": item.n_parameters,
                "parameters_stepped": len(item.steps),
                "learning_rate": item.groups[0].learning_rate if item.groups else None,
            }
            for item in checkpoint.optimisers.values()
        },
    }


def _settings(case: Case) -> dict[str, Any]:
    found = {name: case.checkpoint.data.number(name) for name in _SETTINGS if name in case.checkpoint.data}
    whole = {name: int(value) if value is not None and value.is_integer() else value for name, value in found.items()}
    return {**whole, **case.settings.given}


def _saved(checkpoint: Checkpoint) -> dict[str, Any]:
    started = checkpoint.data.setting("start_time")
    begun = None
    if started and 0 < started < 1 << 62:
        begun = dt.datetime.fromtimestamp(started / 1e9, dt.timezone.utc).isoformat(timespec="seconds")
    year, month, day, hour, minute, second = (*checkpoint.saved_at, 0, 0, 0, 0, 0, 0)[:6]
    return {
        "stable_baselines3": checkpoint.version,
        "system": checkpoint.system,
        "last_learn_began": begun,
        "written_local_time": f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}",
    }
