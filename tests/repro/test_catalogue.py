"""The case catalogue: every truth fits its program, and nothing in a program gives it away."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from probes import causes
from probes.verdicts import Verdict
from repro.cases.catalogue import Case, CatalogueError, load

CASES = load()
VERDICTS = {str(verdict) for verdict in Verdict}
PHASES = {"setup", "collect", "advantage", "train", "callback", "eval", "save", "exit"}
TELLING = (
    *VERDICTS, "lock-up", "hang", "freeze", "leak", "stuck", "overflow", "bug", "wrong", "broken", "dead",
    "endless", "corrupt", "cause",
)  # fmt: skip
"""Words that would tell what is to be found."""


def test_there_are_enough_cases_of_every_verdict() -> None:
    assert len(CASES) >= 36
    assert {verdict for case in CASES for verdict in case.verdicts} == VERDICTS
    assert sum(case.healthy for case in CASES) >= 6


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_truth_says_what_the_contract_knows(case: Case) -> None:
    assert set(case.verdicts) <= VERDICTS
    assert set(case.phases) <= PHASES
    assert set(case.causes) <= {cause.id for cause in causes.CAUSES}
    assert case.healthy or case.heal
    assert case.vary["SEED"]
    assert len(case.reference) > 15


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_variation_of_program_and_twin_is_a_program(case: Case) -> None:
    texts = [case.program, *([case.twin()] if case.heal else [])]
    for text in texts:
        for seed in range(4):
            varied, names = case.varied(text, seed)
            ast.parse(varied)
            assert not set(names) & set(words(varied))
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nothing_in_a_program_tells_what_is_wrong_with_it(case: Case) -> None:
    parts = {part for word in own_words(case.program) for part in word.lower().split("_")}
    assert parts.isdisjoint(TELLING), parts & set(TELLING)
    assert comments(case.program) == []


def own_words(text: str) -> Iterator[str]:
    """The names that a program gives, and the words of its strings; a library's names are not its own."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"\w+", node.value)


def words(text: str) -> list[str]:
    return [token.string for token in tokens(text) if token.type == tokenize.NAME]


def comments(text: str) -> list[str]:
    return [token.string for token in tokens(text) if token.type == tokenize.COMMENT]


def tokens(text: str) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(text).readline))


PROGRAM = "SEED = 1\nAT = 5\n\n\ndef quote(at):\n    print('quote', AT)\n    return at\n"
TRUTH = """
family = "spin"
what = "It turns in a circle."
reference = "https://example.org/a-report"
verdict = "spin"
culprit = "quote"
rename = ["quote"]
heal = [{find = "return at", replace = "return 1"}]
vary = {SEED = [7], AT = [9]}
"""


def write(folder: Path, program: str = PROGRAM, truth: str = TRUTH) -> Path:
    for name, suffix, text in (("programs", "py", program), ("truths", "toml", truth)):
        (folder / name).mkdir()
        (folder / name / f"c01.{suffix}").write_text(text)
    return folder


def test_a_variation_changes_constants_and_names_and_leaves_texts_alone(tmp_path: Path) -> None:
    (case,) = load(write(tmp_path))
    varied, names = case.varied(case.program, 1)
    new = names["quote"]
    assert varied == f"SEED = 7\nAT = 9\n\n\ndef {new}(at):\n    print('quote', AT)\n    return at\n"
    assert case.varied(case.program, 1) == (varied, names)
    assert case.varied(case.program, 2)[1] != names
    assert case.varied(case.program, 0) == (case.program, {})
    assert case.twin() == case.program.replace("return at", "return 1")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('family = "spin"', 'famliy = "spin"'), "unknown key 'famliy'"),
        (('family = "spin"\n', ""), "family is missing"),
        (('verdict = "spin"\n', ""), "verdict is missing"),
        (('find = "return at"', 'find = "return it"'), "'return it' is not in the program"),
        (("AT = [9]", "TO = [9]"), "no line 'TO = ...'"),
        (('rename = ["quote"]', 'rename = ["price"]'), "'price' is no name"),
        (('family = "spin"', 'family = "spin'), "c01.toml"),
        (("vary", "limits = {cores = 1}\nvary"), "unknown limit 'cores'"),
    ],
)
def test_a_truth_that_does_not_fit_is_told_by_file_and_key(change: tuple[str, str], told: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"c01\.toml") as caught:
        load(write(tmp_path, truth=TRUTH.replace(*change)))
    assert told in str(caught.value)


def test_a_truth_without_a_program_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "programs" / "c01.py").unlink()
    with pytest.raises(CatalogueError, match=r"c01\.py"):
        load(folder)
