"""A file of how a run or a sweep ended when all was well enough, to hold later ones against it."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matrix.errors import expected_one_of
from matrix.results.observation import Outcome
from probes.errors import InputError
from probes.verdicts import Verdict
from reports import files
from reports.comparing.facts import Packages
from reports.comparing.times import Times
from reports.comparing.trials import Ending

SCHEMA = "freezelab.baseline/1"
KINDS = ("run", "sweep")
_ANY_SCHEMA = re.compile(r"freezelab\.baseline/(\d+)")


class BaselineError(InputError):
    """A baseline that can't be used; one line that names file, key and value, and says what would be right."""


@dataclass(frozen=True)
class Baseline:
    """What was, by the labels of the trials."""

    kind: str
    """One of :data:`KINDS`."""
    trials: Mapping[str, Ending]
    packages: Packages = field(default_factory=dict)
    machine: str | None = None
    """What it was measured on; None if unknown."""

    @classmethod
    def load(cls, path: Path) -> Baseline:
        """
        Reads a baseline.

        :raises BaselineError: no such file, or it is none.
        """
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise BaselineError(f"{path}: no such file; --update-baseline makes it") from error
        except OSError as error:
            raise BaselineError(f"{path}: can't be read: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise BaselineError(f"{path}: not JSON ({error}); name a file that --update-baseline wrote") from error
        return _Reader(path).baseline(value)

    def save(self, path: Path) -> None:
        """
        Writes it; the file is complete or as it was.

        :raises BaselineError: it can't be written, or what is there is no baseline.
        """
        if path.exists():
            Baseline.load(path)  # whatever else is there, nobody asked to lose it
        document = {
            "schema": SCHEMA,
            "kind": self.kind,
            "machine": self.machine,
            "packages": {name: dict(packages) for name, packages in self.packages.items()},
            "trials": {label: dataclasses.asdict(ending) for label, ending in self.trials.items()},
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.whole(path, json.dumps(document, indent=1) + "\n")
        except OSError as error:
            raise BaselineError(f"{path}: can't be written: {error.strerror or error}") from error


class _Reader:
    """Checks each value, so that whatever is wrong is told by its place."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def baseline(self, value: Any) -> Baseline:
        self._check_schema(value)
        kind, machine = value.get("kind"), value.get("machine")
        if kind not in KINDS:
            raise self._wrong("kind", kind, expected_one_of(kind, KINDS))
        if machine is not None and not isinstance(machine, str):
            raise self._wrong("machine", machine, "must be a text or null")
        packages = self._object("packages", value.get("packages", {}))
        for name, versions in packages.items():
            at = f"packages[{name!r}]"
            for package, version in self._object(at, versions).items():
                if not isinstance(version, str):
                    raise self._wrong(f"{at}[{package!r}]", version, "must be a text")
        trials = self._object("trials", value.get("trials"))
        endings = {label: self._ending(f"trials[{label!r}]", inner) for label, inner in trials.items()}
        return Baseline(kind, endings, packages, machine)

    def _check_schema(self, value: Any) -> None:
        schema = value.get("schema") if isinstance(value, dict) else None
        if schema == SCHEMA:
            return
        newer = _ANY_SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
        if newer and int(newer[1]) > 1:
            raise BaselineError(f"{self._path}: written by a newer FreezeLab ({schema}); upgrade, or make it anew")
        raise self._wrong("schema", schema, f"must be {SCHEMA!r}; name a file that --update-baseline wrote")

    def _ending(self, at: str, value: Any) -> Ending:
        fields = self._fields(at, value, Ending)
        outcomes, verdicts = [item.value for item in Outcome], [item.value for item in Verdict]
        if fields.get("outcome") not in outcomes:
            raise self._wrong(f"{at}.outcome", fields.get("outcome"), f"must be one of {', '.join(outcomes)}")
        if fields.get("verdict") is not None and fields["verdict"] not in verdicts:
            raise self._wrong(f"{at}.verdict", fields["verdict"], f"must be null or one of {', '.join(verdicts)}")
        for key in ("signature", "cause", "cell"):
            if fields.get(key) is not None and not isinstance(fields[key], str):
                raise self._wrong(f"{at}.{key}", fields[key], "must be a text or null")
        for key in ("update", "update_cpu"):
            if fields.get(key) is not None:
                fields[key] = self._times(f"{at}.{key}", fields[key])
        had = fields.get("had_core")
        if had is not None and (isinstance(had, bool) or not isinstance(had, (int, float)) or not 0 <= had <= 1):
            raise self._wrong(f"{at}.had_core", had, "must be null or a share, 0 to 1")
        return Ending(**fields)

    def _times(self, at: str, value: Any) -> Times:
        fields = self._fields(at, value, Times)
        for name in ("median_s", "low_s", "high_s"):
            seconds = fields.get(name)
            if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 <= seconds < float("inf"):
                raise self._wrong(f"{at}.{name}", seconds, "must be seconds, 0 or more")
        times = fields.get("times")
        if not isinstance(times, int) or isinstance(times, bool) or times < 1:
            raise self._wrong(f"{at}.times", times, "must be a whole number, 1 or more")
        values = fields.get("values", [])
        listed = values if isinstance(values, list) else [None]
        if not all(isinstance(one, (int, float)) and 0 <= one < math.inf for one in listed):
            raise self._wrong(f"{at}.values", values, "must be a list of seconds, 0 or more")
        return Times(**{**fields, "values": tuple(values)})

    def _fields(self, at: str, value: Any, kind: type[Any]) -> dict[str, Any]:
        fields = self._object(at, value)
        known = {item.name for item in dataclasses.fields(kind)}
        for key in fields:
            if key not in known:
                raise BaselineError(f"{self._path}: {at} has an unknown key {key!r}; {expected_one_of(key, known)}")
        return fields

    def _object(self, at: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._wrong(at, value, "must be an object")
        return value

    def _wrong(self, at: str, value: Any, right: str) -> BaselineError:
        return BaselineError(f"{self._path}: {at} is {value!r}; {right}")
