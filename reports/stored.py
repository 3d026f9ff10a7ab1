"""What a folder holds: a run, or a sweep. Whatever is wrong with it is told with the way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matrix.analysis.analysis import PLAN_FILE, STORE_FILE, Analysis, analyse_folder
from probes.diagnosis import SCHEMA, Diagnosis, InvalidDiagnosisError
from probes.errors import InputError

DIAGNOSIS_FILE = "diagnosis.json"
META_FILE = "meta.json"
_SEARCH_FILE, _SEARCH_REPORT = "search.json", "bisect.md"
_FAMILY = SCHEMA.partition("/")[0]


class StoredError(InputError):
    """A folder of which no report can be made; one line with the way out."""


def kind_of(folder: Path) -> str:
    """
    ``run`` or ``sweep``.

    :raises StoredError: neither, or one that has not come so far.
    """
    if (folder / STORE_FILE).exists():
        return "sweep"
    if (folder / DIAGNOSIS_FILE).exists():
        return "run"
    raise StoredError(f"{folder}: {_what_else(folder)}")


def run(folder: Path) -> Diagnosis:
    """
    The diagnosis of a run.

    :raises StoredError: it is half written, of a newer FreezeLab, or none at all.
    """
    path = folder / DIAGNOSIS_FILE
    try:
        return Diagnosis.load(path)
    except InvalidDiagnosisError as error:
        schema = _json(path).get("schema")
        if isinstance(schema, str) and schema != SCHEMA and schema.startswith(f"{_FAMILY}/"):
            raise StoredError(f"{path}: written by another FreezeLab ({schema}, not {SCHEMA}); use that one") from error
        raise StoredError(f"{' '.join(str(error).split())}; the file is damaged or half written") from error


def sweep(folder: Path) -> Analysis:
    """
    The analysis of a sweep, also while it runs.

    :raises MatrixError: no readable plan or store.
    """
    return analyse_folder(folder)


def meta(folder: Path) -> dict[str, Any]:
    """What was noted as the run began; empty where that is gone."""
    return _json(folder / META_FILE)


def _what_else(folder: Path) -> str:
    if not folder.exists():
        return "no such folder; freezelab run and freezelab matrix print where they write"
    if not folder.is_dir():
        return f"a file; name the folder of a run ({DIAGNOSIS_FILE}) or a sweep ({STORE_FILE})"
    if (folder / _SEARCH_FILE).exists():
        return f"a bisection's folder; its report is {_SEARCH_REPORT} there, and each run in its runs/ has one as well"
    if (folder / META_FILE).exists():
        return f"a run without a diagnosis yet ({DIAGNOSIS_FILE}): it still goes on, or FreezeLab was killed"
    if (folder / PLAN_FILE).exists():
        return f"a sweep's plan, but no store ({STORE_FILE}): nothing has run yet, or it was not copied"
    inner = sorted(path.parent.name for path in folder.glob(f"*/{DIAGNOSIS_FILE}"))
    hint = f"; did you mean {folder / inner[-1]}?" if inner else ""
    return f"neither a run's folder ({DIAGNOSIS_FILE}) nor a sweep's ({STORE_FILE}){hint}"


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
