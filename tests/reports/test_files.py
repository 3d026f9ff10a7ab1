"""Reports as files: whole or not at all, with their pictures beside them, from what is stored and nothing else."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from matrix.analysis.analysis import Analysis
from reports import files
from reports.commands import telling
from tests.reports.conftest import failed, healthy, slow
from tests.reports.pictures.test_timeline import recorded, written

Sweep = Callable[..., tuple[Analysis, Path]]
FACTORS = {"env": ("sea", "hill"), "adapter": ("off", "on")}
PROFILE = {
    "$schema": "https://www.speedscope.app/file-format-schema.json",
    "shared": {
        "frames": [
            {"name": "train", "file": "/home/me/train.py", "line": 3},
            {"name": "f<b>", "file": "a.py", "line": None},
        ]
    },
    "profiles": [
        {
            "type": "sampled",
            "name": 'Thread 7 "MainThread"',
            "unit": "seconds",
            "startValue": 0,
            "endValue": 1,
            "samples": [[0], [0, 1]],
            "weights": [0.5, 0.5],
        }
    ],
}


def referred(report: Path) -> set[str]:
    return set(re.findall(r"!\[[^\n]*\]\(([^)]+)\)", report.read_text(encoding="utf-8")))


def test_a_run_gets_markdown_its_pictures_and_a_page(tmp_path: Path) -> None:
    recorded(tmp_path)
    written(tmp_path)
    (tmp_path / "profile-1.speedscope.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    report = files.run_report(slow(), tmp_path)
    assert report == tmp_path / "diagnosis.md"
    assert referred(report) == {"diagnosis-timeline.svg", "diagnosis-flame-1.svg"}
    for name in referred(report):
        ET.fromstring((tmp_path / name).read_text(encoding="utf-8"))  # noqa: S314 - written here
    page = (tmp_path / "diagnosis.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3  # the timeline for a desk and for a phone, and the flame graph


def test_a_sweep_gets_markdown_its_pictures_and_a_page(sweep: Sweep) -> None:
    analysis, folder = sweep(FACTORS, lambda levels: failed() if levels["adapter"] == "on" else slow())
    report = files.sweep_report(analysis, folder)
    assert referred(report) == {"report-heatmap.svg", "report-effects.svg"}
    assert (folder / "report.html").read_text(encoding="utf-8").count("<svg") == 2


def test_a_sweep_in_which_nothing_failed_shows_no_effects(sweep: Sweep) -> None:
    assert referred(files.sweep_report(*sweep(FACTORS, lambda _: healthy()))) == {"report-heatmap.svg"}


def test_the_same_is_written_again_from_what_is_stored(tmp_path: Path) -> None:
    recorded(tmp_path)
    written(tmp_path)
    files.run_report(slow(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    files.run_report(slow(), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_pictures_of_an_earlier_report_go_when_the_report_has_them_no_more(tmp_path: Path) -> None:
    (tmp_path / "diagnosis-flame-1.svg").write_text("old", encoding="utf-8")
    (tmp_path / "mine.svg").write_text("kept", encoding="utf-8")
    files.run_report(healthy(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"diagnosis.md", "diagnosis.html", "mine.svg"}


def test_what_can_not_be_written_leaves_what_was_there_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "diagnosis.md"
    target.write_text("before", encoding="utf-8")

    def refused(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(OSError, match="No space left"):
        files.whole(target, "after")
    assert target.read_text(encoding="utf-8") == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["diagnosis.md"]


def test_half_a_surrogate_pair_stops_no_report(tmp_path: Path) -> None:
    report = files.run_report(dataclasses.replace(slow(), summary="a\udcffb", command=("a\ud83d",)), tmp_path)
    assert "a\N{REPLACEMENT CHARACTER}b" in report.read_text(encoding="utf-8")


def test_what_a_sweep_cost_is_told(sweep: Sweep) -> None:
    text = files.sweep_report(*sweep(FACTORS, lambda levels: slow())).read_text(encoding="utf-8")
    cost = text.partition("## What it cost")[2]
    assert "| runs | 4, which took 2 min 40 s together, 40 s the longest |" in cost
    assert "| time by verdict | slow-phase 2 min 40 s |" in cost


def test_a_report_that_can_not_be_written_keeps_nobody_from_what_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    telling.tell(slow(), tmp_path / "gone", as_json=True)
    said = capsys.readouterr()
    assert "verdict   slow-phase" in said.err
    assert "report    could not be written" in said.err
    assert "No such file or directory" in said.err
    assert json.loads(said.out)["verdict"] == "slow-phase"
