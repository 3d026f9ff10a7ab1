"""No format shows a secret, whatever was asked for; names of people go with --redact, and from a bug report always."""

from __future__ import annotations

import html
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from freezelab import main
from matrix.analysis.analysis import PLAN_FILE, STORE_FILE, Analysis
from matrix.results.store import Store
from probes.diagnosis import Diagnosis
from reports import terminal
from reports.redaction.redactor import Redactor
from reports.redaction.sweep import redacted_sweep
from tests.reports.hostile import filled
from tests.reports.redaction.shapes import PLACED, SHAPELESS, SHAPES, token

OF_RUN = ("md", "json", "junit", "text", "speedscope", "issue")
OF_SWEEP = ("md", "json", "junit", "text", "issue")
"""With the markdown comes the page."""
WRITTEN = (".md", ".html", ".svg", ".xml", ".py")
_A_DIAGNOSIS = 24
"""So many words are surely shown by one that is filled with them."""
Sweep = Callable[..., tuple[Analysis, Path]]


def given_away() -> Iterator[tuple[str, str]]:
    """What a process says, and the secret in it."""
    for issuer in SHAPES:
        secret = token(issuer)
        yield f"with {secret} it failed", secret
    for text, secret in zip(PLACED.values(), itertools.cycle(SHAPELESS), strict=False):
        yield text.format(secret), secret


def rendered(folder: Path, forms: tuple[str, ...], capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, str]:
    """Format to all that was printed and written, without what escapes it."""
    found = {}
    for form in forms:
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
        assert main(["report", str(folder), "--format", form, *more]) == 0
        texts = [capsys.readouterr().out]
        texts += [
            path.read_text(encoding="utf-8")
            for path in folder.rglob("*")
            if path.is_file() and path.suffix in WRITTEN and before.get(path) != path.stat().st_mtime_ns
        ]
        found[form] = html.unescape("\n".join(texts)).replace("\\", "")
    return found


def written(folder: Path, diagnosis: Diagnosis) -> Path:
    folder.mkdir(parents=True)
    (folder / "diagnosis.json").write_text(json.dumps(diagnosis.to_json()), encoding="utf-8")
    (folder / "meta.json").write_text(
        json.dumps({"schema": "freezelab.run/1", "cwd": "/home/mira/x"}), encoding="utf-8"
    )
    return folder


def shown_in(text: str, secret: str) -> bool:
    """Of a key in a file each line counts."""
    lines = [line for line in secret.split("\n") if not line.startswith("-----")]
    return any(line in text for line in lines)


def test_no_format_of_a_run_shows_a_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = list(given_away())
    for place in range(0, len(said), _A_DIAGNOSIS):
        words = said[place : place + _A_DIAGNOSIS]
        folder = written(tmp_path / str(place), filled([text for text, _ in words]))
        texts = rendered(folder, OF_RUN, capsys)
        assert "<redacted>" in texts["md"]
        for form, text in texts.items():
            assert [secret for _, secret in words if shown_in(text, secret)] == [], form


def test_no_format_of_a_sweep_shows_a_secret(sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = list(given_away())[: 2 * _A_DIAGNOSIS]
    words = {"sea": said[:_A_DIAGNOSIS], "hill": said[_A_DIAGNOSIS:]}
    analysis, folder = sweep(
        {"env": ("sea", "hill")}, lambda levels: filled([text for text, _ in words[levels["env"]]])
    )
    analysis.plan.save(folder / PLAN_FILE)
    with Store(folder / STORE_FILE) as store:
        for result in analysis.results:
            store.add(result.trial, result.observation)
    for form, text in rendered(folder, OF_SWEEP, capsys).items():
        assert [secret for _, secret in said if shown_in(text, secret)] == [], form


def test_people_stay_unless_they_are_to_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = ["ottokar's run in /home/ottokar/train.py"] * 60
    folder = written(tmp_path / "run", filled(said))
    with_people = rendered(folder, OF_RUN, capsys)
    assert "ottokar" in with_people["md"]
    assert "ottokar" not in with_people["issue"]
    for form, text in rendered(folder, OF_RUN, capsys, "--redact").items():
        assert "ottokar" not in text, form
        assert "/home/mira" not in text, form


def test_secrets_in_the_levels_of_a_sweep_are_replaced_wherever_they_stand(sweep: Sweep) -> None:
    secret = token("GitHub, personal")
    factors = {"WANDB_API_KEY": ("hunter2", "swordfish"), "note": (f"see {secret}",)}
    analysis, _ = sweep(factors, lambda levels: filled([str(levels)] * 60))
    fit = redacted_sweep(analysis, Redactor({}, people=False))
    said = repr(fit.plan.to_json()) + repr(fit.results) + repr([finding.signature for finding in fit.findings])
    for word in (secret, "hunter2", "swordfish"):
        assert word not in said
    assert len(fit.results) == len(analysis.results)


def test_a_sweep_without_secrets_stays_as_it_is(sweep: Sweep) -> None:
    analysis, _ = sweep({"env": ("sea", "hill")}, lambda levels: filled([f"at {levels['env']}"] * 60))
    fit = redacted_sweep(analysis, Redactor({}, people=False))
    assert (fit.plan, fit.results) == (analysis.plan, analysis.results)


LEAKY = """
import os
import sys

print("connecting with", sys.argv[2], flush=True)
raise RuntimeError(f"refused: {os.environ['SERVICE_PASSWORD']}, {sys.argv[4]}")
"""


def test_a_real_run_whose_command_environment_and_output_hold_secrets_shows_none(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "train.py"
    script.write_text(LEAKY, encoding="utf-8")
    secrets = {"option": "hunter2hunter2", "shape": token("OpenAI, older"), "variable": "swordfish99"}
    monkeypatch.setenv("SERVICE_PASSWORD", secrets["variable"])
    out = tmp_path / "run"
    command = [sys.executable, str(script), "--password", secrets["option"], "--note", secrets["shape"]]
    assert main(["run", "--out", str(out), "--no-stacks", "--json", "--", *command]) == 3
    told = capfd.readouterr()
    texts = {"json": told.out, "end": told.err.split("\nverdict")[-1]}
    texts |= {path.name: path.read_text(encoding="utf-8") for path in out.iterdir() if path.suffix in (".md", ".html")}
    for form in (*OF_RUN, "issue"):
        assert main(["report", str(out), "--format", form]) == 0
        texts[form] = capfd.readouterr().out
    texts |= {name: (out / name).read_text(encoding="utf-8") for name in ("junit.xml", "issue.md", "diagnosis.md")}
    for name, text in texts.items():
        assert [secret for secret in secrets.values() if secret in text.replace("\\", "")] == [], name


def test_what_the_terminal_is_told_at_the_end_holds_no_secret() -> None:
    assert "hunter2" not in terminal.summary(filled(["--password hunter2"] * 60))
