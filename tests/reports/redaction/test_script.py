"""A script without secrets is still a program, and the same one but for them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.redaction.redactor import Redactor
from reports.redaction.script import ScriptError, redact_script
from reports.redaction.shapes import SECRET
from tests.reports.redaction.shapes import SHAPES, token

LINES = ("x = {!r}\n", "# {!r}\n", "f({!r}, 'a')\n")
PROGRAMS = sorted((Path(__file__).resolve().parents[3] / "repro" / "cases" / "programs").glob("c*.py"))


def redacted(text: str) -> str:
    return redact_script(text, Redactor({}, users=["mira"], home=Path("/home/mira")))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('token = os.environ["HF_TOKEN"]', 'token = os.environ["HF_TOKEN"]'),
        ('os.environ["HF_TOKEN"] = "abc"', f'os.environ["HF_TOKEN"] = "{SECRET}"'),
        ("os.environ.setdefault('WANDB_API_KEY', 'abc')", f"os.environ.setdefault('WANDB_API_KEY', \"{SECRET}\")"),
        ("wandb.login(key=token, api_key='abc')", f'wandb.login(key=token, api_key="{SECRET}")'),
        ("HF_TOKEN = 'abc' + 'def' 'ghi'", f'HF_TOKEN = "{SECRET}" + "{SECRET}" "{SECRET}"'),
        ('api_key: str = "abc"', f'api_key: str = "{SECRET}"'),
        ('config = {"api_key": "abc", "gamma": 0.99}', f'config = {{"api_key": "{SECRET}", "gamma": 0.99}}'),
        ("from mira.envs import mira_env as mira", "from user.envs import user_env as user"),
        ('path = f"/home/otto/{name}/x"', 'path = f"/home/<user>/{name}/x"'),
        ("x = 1  # ask mira@example.com", "x = 1  # ask <user>"),
        ("key = b'0123'  # not secret by its name", "key = b'0123'  # not secret by its name"),
    ],
)
def test_only_literals_comments_and_names_of_people_change(line: str, shown: str) -> None:
    assert redacted(line) == shown


@pytest.mark.parametrize("path", PROGRAMS, ids=[path.stem for path in PROGRAMS])
def test_a_program_without_secrets_stays_as_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert redacted(text) == text


@settings(deadline=None)
@given(
    st.sampled_from(sorted(SHAPES)), st.integers(0, 99), st.sampled_from(["x = {!r}\n", "# {!r}\n", "f({!r}, 'a')\n"])
)
def test_a_token_in_a_program_goes(issuer: str, seed: int, line: str) -> None:
    secret = token(issuer, seed)
    shown = redacted(f"import os\n{line.format(secret)}y = 1\n")
    assert repr(secret)[20:40] not in shown
    assert ast.dump(ast.parse(shown.splitlines()[0])) == ast.dump(ast.parse("import os"))


@settings(deadline=None)
@given(st.text(alphabet=st.characters(), max_size=60))
def test_what_comes_out_is_a_program_or_nothing(text: str) -> None:
    try:
        shown = redacted(f"x = {text!r}\n{text}\n")
    except ScriptError:
        return
    ast.parse(shown)


@pytest.mark.parametrize("text", ["def f(:\n", "x = 'open\n", "  indented\nout\n", "x = \x00\n"])
def test_no_program_is_refused(text: str) -> None:
    with pytest.raises(ScriptError, match="without breaking it"):
        redacted(text)
