"""What became of the remedies: each distinct failure, run again with nothing changed but one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from matrix.analysis.findings import Finding
from matrix.analysis.results import Result
from matrix.results.observation import Observation
from matrix.results.store import Record
from probes.diagnosis import Diagnosis, InvalidDiagnosisError, Remedy
from probes.remedies import curing, verify


@dataclass(frozen=True)
class RemedyProof:
    """One remedy, tried on one example of a finding."""

    finding: Finding
    example: Result
    """The trial that failed."""
    observation: Observation
    """What came of it with the remedy."""
    remedy: Remedy
    """As in a run's ``diagnosis.json``: what was seen, before, after, ratio, and whether that verifies it."""


def prove_all(findings: Iterable[Finding], records: Iterable[Record], folder: Path) -> Iterator[RemedyProof]:
    """
    The proofs that a sweep has run; of a run whose folder is gone there is none.

    :param folder: the sweep's.
    """
    ran = {record.id: record.observation for record in records if record.ran}
    for finding in findings:
        for example in finding.results:
            proofs = list(_proofs(finding, example, ran, folder))
            yield from proofs
            if proofs:
                break


def _proofs(finding: Finding, example: Result, ran: Mapping[str, Observation], folder: Path) -> Iterator[RemedyProof]:
    for remedy in curing(example.observation.cause) if finding.verdict.is_failure else ():
        second = ran.get(example.trial.with_remedy(remedy.id).id)
        if second is None or second.folder is None or example.observation.folder is None:
            continue
        one, other = folder / example.observation.folder, folder / second.folder
        try:
            before, after = (Diagnosis.load(run / "diagnosis.json") for run in (one, other))
        except (OSError, InvalidDiagnosisError):
            continue
        proof = verify.prove(remedy, before, after, verify.agreement(one, other))
        yield RemedyProof(finding, example, second, proof)
