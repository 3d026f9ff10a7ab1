"""Questions with a known truth: how answers are counted, and how a stopped call goes on."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.cases import libraries, running
from matrix.cases.question import Answer, Question
from matrix.cases.scoring import Share, is_right, score
from matrix.environments.cache import CellEnvironment, Environments, Lock, ShouldStop, Unsatisfiable
from matrix.errors import MatrixError
from matrix.plan.cells import VersionSet
from reports import cases_text

VERDICTS = ("healthy", "spin", "deadlock", "crash")


def question(name: str = "c01", *verdicts: str, cause: str | None = None, culprits: tuple[str, ...] = ()) -> Question:
    return Question(name, "print(1)", "chapter", verdicts or ("spin",), ("train",), culprits, (cause,) if cause else ())


def answer(name: str = "c01", verdict: str = "spin", confidence: float = 0.9, **more: object) -> Answer:
    given: dict[str, object] = {"phase": "train", "culprit": "f", "cause": None, "wall_s": 5.0, "told_after_s": 3.0}
    return Answer(name, verdict, confidence, **{**given, **more})  # type: ignore[arg-type]


PAIRS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(VERDICTS), min_size=1, max_size=2, unique=True),
        st.sampled_from(VERDICTS),
        st.floats(0, 1),
    ),
    max_size=30,
)


@given(PAIRS)
def test_every_answer_is_counted_once(pairs: list[tuple[list[str], str, float]]) -> None:
    questions = [question(f"c{n}", *true) for n, (true, _, _) in enumerate(pairs)]
    answers = {f"c{n}": answer(f"c{n}", given, confidence) for n, (_, given, confidence) in enumerate(pairs)}
    found = score(questions, answers)
    assert found.answered == len(pairs) == sum(found.confusion.values())
    right = sum(given in true for true, given, _ in pairs)
    assert found.verdict == Share(right, len(pairs))
    assert sum(number for (true, given), number in found.confusion.items() if true == given) == right
    assert sum(share.of for _, _, share in found.reliability) == len(pairs)
    assert sum(share.right for _, _, share in found.reliability) == right
    assert sum(share.of for share in found.precision.values()) == len(pairs)
    assert sum(share.of for share in found.recall.values()) == len(pairs)
    assert len([item for item in found.mistakes if item.what == "verdict"]) == len(pairs) - right
    assert cases_text.summary(found)


def test_a_second_right_verdict_is_right_and_an_alarm_on_a_healthy_run_is_counted() -> None:
    questions = [question("a", "slow-phase", "spin"), question("b", "healthy"), question("c", "healthy")]
    answers = {"a": answer("a", "spin"), "b": answer("b", "spin"), "c": answer("c", "healthy", told_after_s=None)}
    found = score(questions, answers)
    assert [is_right(item, answers[item.name]) for item in questions] == [True, False, True]
    assert found.confusion == {("spin", "spin"): 1, ("healthy", "spin"): 1, ("healthy", "healthy"): 1}
    assert found.false_alarms == Share(1, 2)
    assert found.told_after_s == 3.0
    text = cases_text.summary(found)
    assert "1 of 2" in text
    assert "verdict: spin, true: healthy" in text


def test_a_cause_counts_where_it_is_claimed_and_where_it_was_to_be_named() -> None:
    questions = [question("a", cause="x"), question("b", cause="x"), question("c"), question("d")]
    answers = {name: answer(name, cause=cause) for name, cause in zip("abcd", ("x", None, "x", None), strict=True)}
    found = score(questions, answers)
    assert found.cause_claimed == Share(1, 2)
    assert found.cause_known == Share(1, 2)
    assert {(item.question.name, item.what) for item in found.mistakes} == {("b", "cause"), ("c", "cause")}


def test_of_several_right_causes_each_is_right() -> None:
    asked = dataclasses.replace(question("a"), causes=("x", "y"))
    assert [asked.names_cause(cause) for cause in ("x", "y", "z", None)] == [True, True, False, False]
    assert [question("a").names_cause(cause) for cause in ("x", None)] == [False, True]


def test_place_and_phase_are_asked_for_where_the_verdict_is_right() -> None:
    questions = [question("a", culprits=("f", "g")), question("b", culprits=("g",)), question("c", culprits=("f",))]
    answers = {"a": answer("a"), "b": answer("b", phase="collect"), "c": answer("c", "crash")}
    found = score(questions, answers)
    assert found.culprit == Share(1, 2)
    assert found.phase == Share(1, 2)


PROGRAM = "import sys\nprint('went')\nsys.exit({status})\n"


def test_a_stopped_call_goes_on_where_it_was(tmp_path: Path) -> None:
    questions = [
        Question(name, PROGRAM.format(status=status), "chapter", ("healthy",), limit_s=20.0)
        for name, status in (("a", 0), ("b", 0), ("c", 3))
    ]
    seen: list[tuple[str, bool]] = []

    def note(item: Question, _: Answer, again: bool) -> None:
        seen.append((item.name, again))

    running.ask_all(questions[:1], tmp_path, on_answer=note)
    answers = running.ask_all(questions, tmp_path, jobs=2, on_answer=note)
    assert seen[:2] == [("a", False), ("a", True)]
    assert sorted(seen[2:]) == [("b", False), ("c", False)]
    assert set(answers) == {"a", "b", "c"}
    assert running.load_answers(tmp_path) == answers
    assert (tmp_path / "b" / "run" / "stdout.log").read_text() == "went\n"
    seen.clear()
    running.ask_all(questions[:1], tmp_path, fresh=True, on_answer=note)
    assert seen == [("a", False)]
    assert set(running.load_answers(tmp_path)) == {"a"}


def test_an_answer_cut_short_is_asked_again_and_foreign_text_is_told(tmp_path: Path) -> None:
    good = json.dumps(answer("a").to_json())
    path = tmp_path / running.ANSWERS_FILE
    path.write_text(f"{good}\n{good[:30]}")
    assert set(running.load_answers(tmp_path)) == {"a"}
    path.write_text(f"[]\n{good}\n")
    with pytest.raises(MatrixError, match=r"answers\.jsonl, line 1"):
        running.load_answers(tmp_path)


@pytest.mark.parametrize("told", [None, 2.5])
def test_an_answer_is_one_line(told: float | None) -> None:
    line = cases_text.line(question(), answer(told_after_s=told, culprit=None))
    assert "\n" not in line
    assert line.endswith("right")
    assert "WRONG" in cases_text.line(question(), answer(verdict="crash"))


class _Built(Environments):
    """Environments that are there at once, but for one."""

    def provide(
        self, versions: VersionSet, known: Lock | None, should_stop: ShouldStop
    ) -> CellEnvironment | Unsatisfiable:
        if versions.name == "impossible":
            return Unsatisfiable("torch 9 does not exist")
        return CellEnvironment(Path("/env") / versions.name / "python", Lock("3.11", "torch==2.13.0"))


SETS = [VersionSet(name, ("torch",), "3.11") for name in ("old", "new", "impossible")]


def test_the_library_sets_that_are_asked_for_are_built() -> None:
    asked: list[str] = []
    pythons = libraries.provide(["new", "old"], SETS, _Built(), lambda versions: asked.append(versions.name))
    assert pythons == {"new": "/env/new/python", "old": "/env/old/python"}
    assert asked == ["new", "old"]


@pytest.mark.parametrize(
    ("name", "says"), [("odl", "did you mean 'old'"), ("impossible", "impossible: can't be had together: torch 9")]
)
def test_a_library_set_that_can_not_be_had_is_told(name: str, says: str) -> None:
    with pytest.raises(MatrixError, match=says):
        libraries.provide([name], SETS, _Built())


def test_each_question_is_asked_of_its_own_interpreter(tmp_path: Path) -> None:
    ours = [question("a"), dataclasses.replace(question("b"), libraries="old")]
    with pytest.raises(KeyError, match="old"):
        running.ask_all(ours, tmp_path / "missing")
    pythons = {None: sys.executable, "old": str(tmp_path / "old")}
    (tmp_path / "old").symlink_to(sys.executable)
    running.ask_all(ours, tmp_path / "out", pythons=pythons)
    ran = {name: json.loads((tmp_path / "out" / name / "run/meta.json").read_text())["command"][0] for name in "ab"}
    assert ran == {"a": sys.executable, "b": str(tmp_path / "old")}
