"""Local variables are collected only by --locals, and shown only if they are asked for again."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezelab import main
from probes.stacks import _cut
from reports import local_variables
from reports.local_variables import CallVariables, ThreadVariables
from tests.reports.hostile import ANYTHING

# What it holds stands nowhere in its text.
PROGRAM = """
import threading

def step(action):
    password = "".join(map(chr, [104, 117, 110, 116, 101, 114, 50]))
    note = "".join(map(chr, [60, 98, 62, 110, 111, 116, 101, 60, 47, 98, 62]))
    lock = threading.Lock()
    lock.acquire()
    print("stands", flush=True)
    lock.acquire()

step(3)
"""
SECRET, NOTE = "hunter2", "<b>note</b>"


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    script = tmp_path_factory.mktemp("program") / "train.py"
    script.write_text(PROGRAM, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.1)
        yield process.pid
        process.kill()


@pytest.fixture(scope="module")
def collected(standing: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("attached")
    assert main(["attach", str(standing), "--for", "1", "--locals", "--out", str(out)]) == 3
    return out


def test_nothing_is_collected_unless_it_is_asked_for(
    standing: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["attach", str(standing), "--for", "1", "--out", str(tmp_path)]) == 3
    for path in tmp_path.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            assert (SECRET in text, NOTE in text, '"locals"' in text) == (False, False, False), path
    assert main(["report", str(tmp_path), "--locals"]) == 2
    assert "holds no local variables; they are collected by freezelab run --locals" in capsys.readouterr().err


def test_they_are_shown_only_if_asked_for_again(collected: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = {}
    for form, name in (("md", "diagnosis.md"), ("html", "diagnosis.html"), ("issue", "issue.md"), ("text", None)):
        for more in ([], ["--locals"]):
            capsys.readouterr()
            assert main(["report", str(collected), "--format", form, *more]) == 0
            out = capsys.readouterr().out
            shown[form, bool(more)] = (collected / name).read_text(encoding="utf-8") if name else out
    for (form, asked), text in shown.items():
        assert ("action = 3" in text) == asked, form
        assert SECRET not in text, form
        if asked:
            assert "password = &lt;redacted&gt;" in text if form == "html" else "password = <redacted>" in text
    assert "&lt;b&gt;note&lt;/b&gt;" in shown["html", True]
    assert NOTE not in shown["html", True]


@pytest.mark.parametrize("words", [["--format", "json"], ["--format", "junit"], ["--format", "speedscope"]])
def test_other_formats_have_no_place_for_them(
    collected: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(collected), "--locals", *words]) == 2
    assert "--locals: is for one folder, as md, html, text, issue" in capsys.readouterr().err


def test_they_need_stacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--locals", "--no-stacks", "--", "true"]) == 2
    assert "leave out --no-stacks" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, "?"),
        ("3", "3"),
        ("<numpy.ndarray at 0x7fb451842b50>", "<numpy.ndarray>"),
        ('"short"', '"short"'),
        (f'"a few words {"x" * 150}..."', '"a few words …'),
        (f'"{"x" * 150}..."', "…"),
        (f'"ends {"y" * 20}..."', '"ends …'),
    ],
)
def test_of_a_text_that_is_cut_no_half_word_stays(value: str | None, kept: str) -> None:
    assert _cut(value) == kept


@given(ANYTHING, ANYTHING, ANYTHING)
def test_whatever_they_hold_nothing_gets_out_of_its_block(thread: str, name: str, value: str) -> None:
    shown = [ThreadVariables(thread, (CallVariables("step  train.py:3", ((name, value),)),))]
    [fold] = local_variables.folds(shown)
    head, _, body = fold.partition("\n\n")
    assert re.fullmatch(r"<details><summary>(?:[^<>]|</?code>)*</summary>", head)
    fence = body.split("text")[0]
    assert body.endswith(f"\n{fence}\n\n</details>")
    assert body.count(f"\n{fence}\n") == 1


@given(st.binary(max_size=60))
def test_damaged_stacks_are_passed_over(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "stacks").mkdir()
        (Path(folder) / "stacks" / "1.json").write_bytes(data)
        assert local_variables.stored(Path(folder)) == ()
