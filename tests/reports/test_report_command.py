"""``freezelab report``: every format from what is stored, wherever that lies; comparison, baseline, clear errors."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import freezelab
from matrix.analysis.analysis import PLAN_FILE, STORE_FILE, Analysis
from matrix.results.store import Store
from probes import diagnosis as contract
from probes.diagnosis import Diagnosis
from reports.commands.interface import EXIT_BLIND, EXIT_DIAGNOSED, EXIT_OK, EXIT_USAGE
from reports.sweep import document as sweep_json
from tests.reports.conftest import failed, healthy, slow
from tests.reports.issue.pep723 import metadata

Sweep = Callable[..., tuple[Analysis, Path]]
Report = Callable[..., tuple[int, str, str]]
WRITTEN = {"md": "diagnosis.md", "html": "diagnosis.html", "junit": "junit.xml", "issue": "issue.md"}


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Report:
    """``report(*words)``: exit code, standard output, standard error."""

    def call(*words: object) -> tuple[int, str, str]:
        code = freezelab.main(["report", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def run_in(folder: Path, diagnosis: Diagnosis, **meta: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "diagnosis.json").write_text(json.dumps(diagnosis.to_json()), encoding="utf-8")
    (folder / "meta.json").write_text(json.dumps({"schema": "freezelab.run/1", **meta}), encoding="utf-8")
    return folder


def train(seconds: float, make: Callable[[], Diagnosis] = healthy) -> Diagnosis:
    """A run with three updates, the first of which is warm-up."""
    iterations = tuple({"step": 64 * n, "collect_s": 1.0, "train_s": seconds, "minibatches": 8} for n in (1, 2, 3))
    timing = dataclasses.replace(make().timing, iterations=iterations)
    return dataclasses.replace(make(), timing=timing)


@pytest.fixture
def stored(sweep: Sweep) -> Callable[..., Path]:
    """``stored(outcomes)``: the folder of a sweep over ``env``, its store included."""

    def make(outcomes: Any) -> Path:
        analysis, folder = sweep({"env": ("sea", "hill")}, outcomes)
        analysis.plan.save(folder / PLAN_FILE)
        with Store(folder / STORE_FILE) as store:
            for result in analysis.results:
                store.add(result.trial, result.observation)
        return folder

    return make


def hill_is_slow(levels: dict[str, Any]) -> Any:
    return slow() if levels["env"] == "hill" else healthy()


@pytest.mark.parametrize("form", ["md", "html", "json", "junit", "text", "speedscope", "issue"])
def test_a_run_that_was_moved_is_rendered_in_every_format(tmp_path: Path, report: Report, form: str) -> None:
    made = run_in(tmp_path / "there", slow(), cwd="/gone", pid=1)
    folder = Path(shutil.move(made, tmp_path / "here"))
    before = (folder / "diagnosis.json").read_bytes()
    code, out, err = report(folder, "--format", form)
    assert (code, err) == (EXIT_OK, "")
    if form in WRITTEN:
        assert out.splitlines()[0] == str(folder / WRITTEN[form])
        assert (folder / WRITTEN[form]).stat().st_size > 300
    elif form == "text":
        assert out.startswith("verdict   slow-phase (confidence 0.99)\n")
    else:
        assert json.loads(out)
    assert (folder / "diagnosis.json").read_bytes() == before
    assert not list(folder.glob(".*.part"))


def test_the_json_of_a_run_keeps_its_schema(tmp_path: Path, report: Report) -> None:
    environment = {
        "python": "3.11.7", "platform": "Linux", "packages": {}, "cpu": {"model": None, "cores": 2}, "gpu": None,
        "wsl": False, "training": None,
    }  # fmt: skip
    folder = run_in(tmp_path / "run", dataclasses.replace(slow(), environment=environment))
    _, out, _ = report(folder, "--format", "json")
    jsonschema.validate(json.loads(out), contract.schema())


@pytest.mark.parametrize("form", ["md", "html", "json", "junit", "text", "issue"])
def test_a_sweep_that_was_moved_is_rendered_in_every_format(
    stored: Callable[..., Path], tmp_path: Path, report: Report, form: str
) -> None:
    folder = Path(shutil.copytree(stored(hill_is_slow), tmp_path / "copy"))
    code, out, err = report(folder, "--format", form)
    assert (code, err) == (EXIT_OK, "")
    if form == "json":
        jsonschema.validate(json.loads(out), sweep_json.schema())
    elif form == "junit":
        cases = ET.parse(folder / "junit.xml").getroot().findall("testsuite/testcase")  # noqa: S314 - our own
        assert {case.get("name"): len(case) for case in cases} == {"env=sea": 0, "env=hill": 1}
    elif form == "issue":
        assert "# [Bug]: slow-phase during train" in (folder / "issue.md").read_text(encoding="utf-8")
    elif form == "text":
        assert "1 x  slow-phase" in out
    else:
        assert Path(out.strip()).parent == folder


def test_an_issue_of_our_own_program_comes_with_a_reproducer(tmp_path: Path, report: Report) -> None:
    command = (
        "/env/bin/python",
        "/home/mira/freezelab/repro",
        "--env",
        "dummy",
        "--n-steps",
        "128",
        "--save",
        "/x/y.zip",
    )
    made = dataclasses.replace(slow(), command=command, environment={"packages": {"torch": "2.13.0+cpu"}})
    folder = run_in(tmp_path / "run", made)
    assert report(folder, "--format", "issue")[1].splitlines() == [
        str(folder / "issue.md"),
        str(folder / "reproducer.py"),
    ]
    text = (folder / "reproducer.py").read_text(encoding="utf-8")
    assert "torch==2.13.0" in metadata(text)["dependencies"]
    assert "n_steps=128" in text
    assert text.rstrip() in (folder / "issue.md").read_text(encoding="utf-8")


def test_a_users_script_is_shown_only_when_asked_for_and_without_secrets(tmp_path: Path, report: Report) -> None:
    (tmp_path / "train.py").write_text('import torch\napi_key = "hunter2"\n', encoding="utf-8")
    command = ("python", "train.py", "--password", "hunter3")
    folder = run_in(tmp_path / "run", dataclasses.replace(failed(), command=command), cwd=str(tmp_path))
    assert report(folder, "--format", "issue")[0] == EXIT_OK
    closed = (folder / "issue.md").read_text(encoding="utf-8")
    assert "import torch" not in closed
    assert "--include-script" in closed
    assert not (folder / "reproducer.py").exists()
    assert report(folder, "--format", "issue", "--include-script")[0] == EXIT_OK
    shown = (folder / "issue.md").read_text(encoding="utf-8")
    assert 'import torch\napi_key = "<redacted>"' in shown
    assert "uv run reproducer.py --password '<redacted>'" in shown
    assert not any(secret in closed + shown for secret in ("hunter2", "hunter3"))
    assert report(folder, "--format", "issue")[0] == EXIT_OK
    assert not (folder / "reproducer.py").exists()  # it would not be that of the report


def test_there_is_no_issue_where_nothing_is_wrong(tmp_path: Path, stored: Callable[..., Path], report: Report) -> None:
    assert (
        "the run is healthy, there is nothing to report"
        in report(run_in(tmp_path / "well", healthy()), "--format", "issue")[2]
    )
    folder = stored(lambda levels: healthy())
    code, _, err = report(folder, "--format", "issue")
    assert code == EXIT_USAGE
    assert "no run of this sweep failed" in err


def test_an_issue_of_a_sweep_needs_the_folder_of_a_run_that_failed(stored: Callable[..., Path], report: Report) -> None:
    folder = stored(hill_is_slow)
    shutil.rmtree(folder / "cells")
    code, out, err = report(folder, "--format", "issue")
    assert (code, out) == (EXIT_USAGE, "")
    assert "the folders of all runs that failed are gone" in err


def test_two_runs_are_compared(tmp_path: Path, report: Report) -> None:
    one = dataclasses.replace(train(1.0), environment={"packages": {"torch": "2.12.0", "numpy": "2.0.0"}})
    two = dataclasses.replace(train(4.0, slow), environment={"packages": {"torch": "2.13.0", "numpy": "2.0.0"}})
    code, out, _ = report(run_in(tmp_path / "one", one), run_in(tmp_path / "two", two))
    assert code == EXIT_OK
    assert "verdict   healthy → slow-phase" in out
    assert "update    1.00 s (2, 1.00 s to 1.00 s) → 4.00 s (2, 4.00 s to 4.00 s): × 4.00" in out
    assert "  torch  2.12.0 → 2.13.0" in out
    assert "numpy" not in out


def test_what_noise_may_explain_is_called_so(tmp_path: Path, report: Report) -> None:
    wide = tuple({**row, "train_s": s} for row, s in zip(train(1.0).timing.iterations, (9.0, 0.5, 1.7), strict=True))
    two = dataclasses.replace(healthy(), timing=dataclasses.replace(healthy().timing, iterations=wide))
    _, out, _ = report(run_in(tmp_path / "one", train(1.0)), run_in(tmp_path / "two", two))
    assert "1.10 s (2, 0.80 s to 1.40 s): × 1.10 (0.50 to 1.70), which noise may explain" in out


def test_two_sweeps_are_compared(stored: Callable[..., Path], tmp_path: Path, report: Report) -> None:
    before = Path(shutil.copytree(stored(lambda levels: healthy()), tmp_path / "before"))
    shutil.rmtree(tmp_path / "cells")
    after = stored(hill_is_slow)
    code, out, _ = report(before, after)
    assert code == EXIT_OK
    assert "newly failing: 1\n  env=hill: healthy → slow-phase in train · _process_sequence" in out
    assert "changed   nothing" in report(after, after)[1]


def test_a_gate_passes_what_is_as_good_and_stops_what_is_not(tmp_path: Path, report: Report) -> None:
    baseline = tmp_path / "ci" / "baseline.json"
    good, same = run_in(tmp_path / "good", train(1.0)), run_in(tmp_path / "same", train(1.02))
    assert report(good, "--baseline", baseline, "--update-baseline") == (EXIT_OK, f"{baseline}\n", "")
    assert report(same, "--baseline", baseline)[0] == EXIT_OK
    code, out, _ = report(run_in(tmp_path / "slower", train(2.0)), "--baseline", baseline)
    assert code == EXIT_DIAGNOSED
    assert "slower: 1" in out
    assert report(tmp_path / "slower", "--baseline", baseline, "--slower", "2.5")[0] == EXIT_OK
    code, out, _ = report(run_in(tmp_path / "frozen", slow()), "--baseline", baseline)
    assert code == EXIT_DIAGNOSED
    assert "newly failing: 1\n  run: healthy → slow-phase in train" in out
    assert f"freezelab report {tmp_path / 'frozen'} --format text" in out


def test_a_gate_of_a_sweep(stored: Callable[..., Path], tmp_path: Path, report: Report) -> None:
    baseline = tmp_path / "baseline.json"
    folder = stored(hill_is_slow)
    assert report(folder, "--baseline", baseline, "--update-baseline")[0] == EXIT_OK
    assert report(folder, "--baseline", baseline)[0] == EXIT_OK
    value = json.loads(baseline.read_text(encoding="utf-8"))
    value["trials"]["env=hill"] = value["trials"]["env=sea"]
    baseline.write_text(json.dumps(value), encoding="utf-8")
    code, out, _ = report(folder, "--baseline", baseline)
    assert code == EXIT_DIAGNOSED
    assert "env=hill: healthy → slow-phase in train · _process_sequence" in out
    value["trials"] = {"env=moor": value["trials"]["env=sea"]}
    baseline.write_text(json.dumps(value), encoding="utf-8")
    code, out, _ = report(folder, "--baseline", baseline)
    assert (code, "new, and failing: 1" in out) == (EXIT_DIAGNOSED, True)


def test_a_gate_that_nothing_went_through_did_not_pass(
    stored: Callable[..., Path], tmp_path: Path, report: Report
) -> None:
    baseline = tmp_path / "baseline.json"
    folder = stored(lambda levels: "no CUDA device")
    assert report(folder, "--baseline", baseline, "--update-baseline")[0] == EXIT_OK
    code, out, _ = report(folder, "--baseline", baseline)
    assert code == EXIT_BLIND
    assert "nothing ran in both" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["well", "well", "well"], "3 folders; name one to render it, or two"),
        (["well", "well", "--format", "md"], "two folders are compared as text"),
        (["well", "--baseline", "b", "--format", "md"], "--baseline b: holds one folder"),
        (["well", "--update-baseline"], "--update-baseline: needs --baseline FILE"),
        (["well", "--slower", "2"], "--slower: needs --baseline FILE"),
        (["well", "--include-script"], "--include-script: is for --format issue"),
        (["well", "--baseline", "b"], "b: no such file; --update-baseline makes it"),
        (["gone"], "gone: no such folder"),
        (["empty"], "empty: neither a run's folder (diagnosis.json) nor a sweep's (sweep.sqlite)"),
        (["."], "nor a sweep's (sweep.sqlite); did you mean well?"),
        (["well/diagnosis.json"], "well/diagnosis.json: a file; name the folder"),
        (["running"], "running: a run without a diagnosis yet"),
        (["planned"], "planned: a sweep's plan, but no store"),
        (["bisected"], "bisected: a bisection's folder; its report is bisect.md there"),
        (["half"], "half/diagnosis.json: Unterminated string"),
        (["half", "well"], "the file is damaged or half written"),
        (["newer"], "written by another FreezeLab (freezelab.diagnosis/2, not freezelab.diagnosis/1)"),
        (["newer_sweep"], "written by a newer FreezeLab (schema 99"),
        (["no_sweep"], "not a store of a sweep"),
        (["well", "--format", "speedscope", "--baseline", "b"], "holds one folder"),
    ],
)
def test_what_can_t_be_done_is_told_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: Report, stored: Callable[..., Path], words: Any, told: str
) -> None:
    plan = (stored(hill_is_slow) / PLAN_FILE).read_bytes()
    (tmp_path / "area").mkdir()
    monkeypatch.chdir(tmp_path / "area")
    run_in(Path("well"), healthy())
    for name in ("empty", "running", "planned", "bisected", "half", "newer", "newer_sweep", "no_sweep"):
        Path(name).mkdir()
    Path("running/meta.json").write_text("{}", encoding="utf-8")
    Path("bisected/search.json").write_text("{}", encoding="utf-8")
    Path("half/diagnosis.json").write_text('{"schema": "freezelab.diagn', encoding="utf-8")
    Path("newer/diagnosis.json").write_text('{"schema": "freezelab.diagnosis/2"}', encoding="utf-8")
    for name in ("planned", "newer_sweep", "no_sweep"):
        Path(name, PLAN_FILE).write_bytes(plan)
    Path("no_sweep", STORE_FILE).write_text("long enough to be looked at as a database" * 20, encoding="utf-8")
    connection = sqlite3.connect(f"newer_sweep/{STORE_FILE}")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    code, out, err = report(*words)
    assert (code, out) == (EXIT_USAGE, "")
    assert told in err
    assert err.startswith("freezelab: ")
    assert err.count("\n") == 1


def test_a_run_and_a_sweep_are_not_compared(stored: Callable[..., Path], tmp_path: Path, report: Report) -> None:
    run = run_in(tmp_path / "run", healthy())
    folder = stored(hill_is_slow)
    assert f"{run} is a run and {folder} a sweep; name two runs or two sweeps" in report(run, folder)[2]
    baseline = tmp_path / "b.json"
    report(run, "--baseline", baseline, "--update-baseline")
    code, _, err = report(folder, "--baseline", baseline)
    assert (code, "is the baseline of a run" in err) == (EXIT_USAGE, True)


@pytest.mark.parametrize("word", ["0.5", "nan", "fast"])
def test_a_factor_of_less_than_one_is_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        freezelab.main(["report", "x", "--baseline", "b", "--slower", word])
    assert caught.value.code == EXIT_USAGE
    assert "is not a factor of 1 or more, such as 1.3" in capsys.readouterr().err


def test_help_shows_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        freezelab.main(["report", "--help"])
    text = capsys.readouterr().out
    assert "freezelab report runs/matrix --baseline baseline.json" in text
    assert "3 newly failing or slower" in text
