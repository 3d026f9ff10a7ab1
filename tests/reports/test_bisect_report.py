"""The report of a bisection: culprit first, then what shows it, what is believed, and what it cost."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from freezelab import main
from matrix.bisect.certificate import Certificate, Pair
from matrix.bisect.interface import Conclusion
from matrix.bisecting.result import FILE, Result
from matrix.bisecting.runs import Ended, Run
from matrix.bisecting.search import INTERRUPTED
from matrix.errors import MatrixError
from reports import bisect_markdown, bisect_text, files, html
from tests.reports.hostile import ANYTHING
from tests.reports.html.test_page import check

PAIR = Pair("1.0.0 freezes, 0.29.1 does not", "0.29.1", "1.0.0", 0, 3, 2, 0)


def result(**changes: Any) -> Result:
    found = Result(
        kind="versions",
        why_ended="concluded",
        command=("python", "check.py"),
        conclusion=Conclusion(("1.0.0",), 0.978),
        certificate=Certificate(
            "linear", ("1.0.0",), (), (), 0.978, "deadlock in collect", (PAIR,), 5, (("0.27.0", "no wheel"),), 64.0
        ),
        posterior=[(("1.0.0",), 0.978), (("0.29.1",), 0.018), ((), 0.004)],
        runs=[
            Run("1.0.0", Ended.FROZE, "deadlock in collect", "deadlock", 15.0, "runs/001"),
            Run("0.29.1", Ended.PASSED, None, "exit code 0", 49.0, "runs/002"),
        ],
        again=("freezelab", "bisect", "versions", "--", "python", "check.py"),
        go_on=("freezelab", "bisect"),
        facts={
            "package": "gymnasium",
            "good": {"version": "0.29.1", "released": "2023-08-21", "changes": None},
            "bad": {"version": "1.0.0", "released": None, "changes": "https://example.com/v1"},
        },
        notes=("The environment was built twice.",),
    )
    return dataclasses.replace(found, **changes)


def test_the_culprit_comes_first_then_the_pair_that_shows_it_and_the_command() -> None:
    text = bisect_markdown.render(result())
    assert text.startswith("# Culprit: gymnasium 1.0.0 (97.8%)\n")
    assert "0.29.1 (2023-08-21) passes, 1.0.0 (date unknown) fails" in text
    assert "```sh\nfreezelab bisect versions -- python check.py\n```" in text
    assert "| 1.0.0 freezes, 0.29.1 does not | `1.0.0` | 2 of 2 runs | `0.29.1` | 0 of 3 runs |" in text
    assert "| `0.27.0` | no wheel |" in text


def test_the_cost_of_the_search_is_told() -> None:
    cost = bisect_markdown.render(result()).partition("## What it cost")[2]
    assert "| runs | 2, of 2 candidates |" in cost
    assert "| of them | 1 froze, 1 passed |" in cost
    assert "| time | 1 min 4 s, building included |" in cost


def test_a_search_without_an_end_says_how_to_go_on() -> None:
    text = bisect_markdown.render(result(conclusion=None, certificate=None, why_ended=INTERRUPTED))
    assert text.startswith("# Inconclusive: interrupted\n")
    assert "To go on" in text
    assert "What shows it" not in text


def test_nothing_is_ever_certain_nor_ruled_out() -> None:
    drawn = bisect_markdown.believed(result(posterior=[(("a",), 1.0), (("b",), 0.0)]))
    assert drawn is not None
    assert "a: over 99 %; b: under 1 %" in drawn.says


def test_it_is_written_with_its_picture_and_as_a_page(tmp_path: Path) -> None:
    assert files.bisect_report(result(), tmp_path) == tmp_path / "bisect.md"
    assert {path.name for path in tmp_path.iterdir()} == {"bisect.md", "bisect.html", "bisect-posterior.svg"}
    check((tmp_path / "bisect.html").read_text(encoding="utf-8"))


def test_what_was_stored_gives_the_same_report(tmp_path: Path) -> None:
    lock = result(
        kind="lock",
        conclusion=Conclusion(("a 2", "b 3"), 0.9, (("c 1",),), ("d 4",)),
        runs=[Run(("a 2", "b 3"), Ended.FAILED, None, "KeyError", 1.0, None), Run((), Ended.PASSED, None, "", 1.0)],
    )
    for found in (result(), lock, result(conclusion=None, certificate=None, posterior=[], runs=[])):
        found.save(tmp_path)
        again = Result.load(tmp_path)
        assert again.to_json() == found.to_json()
        assert bisect_markdown.render(again) == bisect_markdown.render(found)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no result of a bisection"),
        ("[]", "no result of a bisection"),
        ('{"schema": "other/1"}', "schema is 'other/1', must be 'freezelab.bisect-result/1'"),
        ("{}", "'schema' is missing"),
    ],
)
def test_what_is_no_result_is_refused_with_its_name(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / FILE).write_text(content, encoding="utf-8")
    with pytest.raises(MatrixError, match=re.escape(says)) as refused:
        Result.load(tmp_path)
    assert str(tmp_path / FILE) in str(refused.value)


def test_a_field_that_is_missing_is_named(tmp_path: Path) -> None:
    value = {name: item for name, item in result().to_json().items() if name != "runs"}
    (tmp_path / FILE).write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(MatrixError, match="'runs' is missing"):
        Result.load(tmp_path)


@given(ANYTHING)
@settings(deadline=None, max_examples=40)
def test_no_name_lets_markup_through(said: str) -> None:
    hostile = result(
        conclusion=Conclusion((said, said), 0.5, ((said,),)),
        certificate=Certificate(said, (said,), (), ((said,),), 0.5, said, (PAIR,), 1, ((said, said),), 1.0),
        posterior=[((said,), 0.5)],
        runs=[Run((said, said), Ended.FROZE, said, said, 1.0, said)],
        facts={
            "package": said,
            "good": {"version": said, "released": said},
            "bad": {"version": said, "released": said},
        },
        notes=(said + "x",),
        again=(said,),
    )
    drawn = bisect_markdown.believed(hostile)
    assert drawn is not None
    found = check(html.page(bisect_markdown.render(hostile, drawn), said, [drawn])).tags
    assert (found["h1"], found["h2"], found["svg"], found["tr"]) == (1, 4, 1, 13)
    assert not any(re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f]", line) for line in bisect_text.lines(hostile))


@pytest.mark.parametrize("name", ["bisect.md", "bisect.html"])
def test_the_command_writes_it_again(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    result().save(tmp_path)
    assert main(["report", str(tmp_path), "--format", Path(name).suffix[1:]]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / name)
    assert (tmp_path / name).exists()


def test_the_command_prints_it_for_terminals_and_for_machines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result().save(tmp_path)
    assert main(["report", str(tmp_path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(result().to_json()))
    assert main(["report", str(tmp_path), "--format", "text"]) == 0
    assert "culprit: gymnasium 1.0.0" in capsys.readouterr().out


def test_a_format_that_a_bisection_has_not_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result().save(tmp_path)
    assert main(["report", str(tmp_path), "--format", "junit"]) == 2
    assert "a bisection has md, html, json, text" in capsys.readouterr().err
