"""Secrets and people's names go wherever they stand; ordinary text stays as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.redaction.redactor import HOME, USER, Redactor
from reports.redaction.shapes import SECRET, is_secret_name
from tests.reports.hostile import ANYTHING
from tests.reports.redaction.shapes import PLACED, SHAPELESS, SHAPES, token

REPOSITORY = Path(__file__).resolve().parents[3]
AROUND = (
    "{}",
    "token {} was refused",
    "see({!r})",
    "https://example.com/?a={}&b=1",
    "x={};",
    "[{}]",
    "logged\tin {}\n",
)


def redactor() -> Redactor:
    return Redactor({}, users=["mira"], home=Path("/home/mira"))


@pytest.mark.parametrize("issuer", SHAPES)
def test_a_token_goes_wherever_it_stands(issuer: str) -> None:
    for seed in range(20):
        secret = token(issuer, seed)
        for around in AROUND:
            shown = redactor().text(around.format(secret))
            assert not _left(secret, shown), (secret, shown)


@pytest.mark.parametrize("issuer", SHAPES)
def test_a_token_within_a_word_goes_but_for_a_few_letters(issuer: str) -> None:
    secret = token(issuer)
    shown = redactor().text(f"file_{secret}_end.txt")
    assert not _left(secret, shown), shown


@pytest.mark.parametrize("place", PLACED)
@pytest.mark.parametrize("secret", SHAPELESS)
def test_a_secret_of_no_shape_is_known_by_its_place(place: str, secret: str) -> None:
    shown = redactor().text(PLACED[place].format(secret))
    assert secret not in shown
    assert SECRET in shown
    assert shown.startswith(PLACED[place].partition("{")[0].replace("mira", USER)[:3])


def test_the_value_of_a_secret_variable_goes_from_every_text() -> None:
    environ = {"MY_API_KEY": "open sesame", "DB_PASS": "tiny", "PATH": "/usr/bin/env"}
    known = Redactor(environ, users=[], home=Path("/"))
    assert known.text("said 'open sesame' twice: open sesame") == f"said '{SECRET}' twice: {SECRET}"
    assert known.text("a tiny way to /usr/bin/env") == "a tiny way to /usr/bin/env"


@pytest.mark.parametrize(
    "name", ["WANDB_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASS", "db_password", "GH_PAT", "SENTRY_DSN",
             "github-token", "OPENAI_API_KEY_2", "PGPASSWORD", "MYSQL_PWD", "passphrase", "SLACK_WEBHOOK_URL",
             "apiKey"],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["observation_key", "pad_token", "eos_token", "n_tokens", "tokenizer", "PATH", "PWD", "OLDPWD", "key",
             "monkey", "keyboard", "batch_size", "PYTHONHASHSEED", "passes", "author", "secretary", "n_keys"],
)  # fmt: skip
def test_names_of_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["python", "t.py", "--password", "12"], ["python", "t.py", "--password", SECRET]),
        (["python", "t.py", "--password=12", "--lr", "1"], ["python", "t.py", f"--password={SECRET}", "--lr", "1"]),
        (["t.py", "--token", "--seed", "0"], ["t.py", "--token", "--seed", "0"]),
        (["t.py", "--api-key", "-", "x"], ["t.py", "--api-key", SECRET, "x"]),
        (["t.py", "-p", "12"], ["t.py", "-p", SECRET]),
        (["HF_TOKEN=abc", "t.py"], [f"HF_TOKEN={SECRET}", "t.py"]),
        (["t.py", "--n-steps", "8", "--policy", "MlpPolicy"], ["t.py", "--n-steps", "8", "--policy", "MlpPolicy"]),
        (["t.py", "--out", "/home/mira/x"], ["t.py", "--out", f"/home/{USER}/x"]),
    ],
)  # fmt: skip
def test_a_command_is_looked_at_word_by_word(words: list[str], shown: list[str]) -> None:
    assert list(redactor().words(words)) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/mira/train.py", f"/home/{USER}/train.py"),
        ("/Users/otto/a.py and otto's", f"/Users/{USER}/a.py and {USER}'s"),
        (r"C:\Users\Eva Maria\a.py", rf"C:\Users\{USER}\a.py"),
        (r"C:\\Users\\otto\\a.py", rf"C:\\Users\\{USER}\\a.py"),
        ("C:/Users/Eva Maria/a.py", f"C:/Users/{USER}/a.py"),
        ("/scratch/mira/run, miracle", f"/scratch/{USER}/run, miracle"),
        ("mira_env.make by mira@example.com", f"{USER}_env.make by {USER}"),
        ("/home/ubuntu/x and ubuntu 24.04", f"/home/{USER}/x and ubuntu 24.04"),
    ],
)
def test_people_are_not_named(text: str, shown: str) -> None:
    assert redactor().text(text) == shown


def test_a_home_elsewhere_goes_as_a_whole() -> None:
    assert Redactor({}, users=[], home=Path("/data/h1")).text("/data/h1/a.py, /data/h12") == f"{HOME}/a.py, /data/h12"


@pytest.mark.parametrize(
    "text",
    [
        "Not hung but slow: up to 20.9 s, in _process_sequence (sb3_contrib/common/recurrent/policies.py:198)",
        "pad_token=0 eos_token='</s>' max_tokens=256 observation_key='sensor' tokenizer=bert keys: a",
        "torch==2.13.0+cpu Linux-6.18.44-x86_64-with-glibc2.36 0x7fd5792a3f16 GPU-0f6a1b2c-1111-2222-3333-444455556666",
        "RuntimeError: Expected hidden[0] size (1, 64, 256), got [1, 1, 256]",
        "mkdir -p a && ssh -p 2222 host && docker run -p 8080:80 x; PWD=/tmp/work",
        "free(): invalid pointer; corrupted size vs. prev_size; double free or corruption (out)",
        "task-distribution-learning-version-2-of-it disk-usage-of-the-cache-folder-was-high",
        "clone git+https://github.com/DLR-RM/stable-baselines3@master and http://localhost:6006/#scalars",
        "AssertionErrorInTheMiddleOfALongCamelCaseNameThatNobodyWouldWrite",
        "/usr/lib/python3.11/site-packages/stable_baselines3/common/vec_env/subproc_vec_env.py",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redactor().text(text) == text


def test_the_manual_stays() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert Redactor({}, users=[], home=Path("/nowhere")).text(text) == text


@settings(deadline=None)
@given(ANYTHING)
def test_what_is_redacted_stays_so(text: str) -> None:
    once = redactor().text(text)
    assert redactor().text(once) == once


@settings(deadline=None)
@given(st.sampled_from(sorted(SHAPES)), st.integers(), ANYTHING, ANYTHING)
def test_no_text_around_hides_a_token(issuer: str, seed: int, before: str, after: str) -> None:
    secret = token(issuer, seed)
    assert not _left(secret, redactor().text(f"{before} {secret} {after}"))


@pytest.mark.parametrize("part", ["a_", "A", "a.", "https://", "-", "token=", "/home/", "'", "eyJ", "x@", "/Users/"])
def test_no_text_takes_long(part: str) -> None:
    """What is quadratic in these takes minutes, and the test's time limit ends it."""
    assert redactor().text(part * (80_000 // len(part)))


def _left(secret: str, shown: str) -> bool:
    """Whether as much of a token is left as would be worth something."""
    return any(piece in shown for piece in re.findall(r"[^\n]{16}", secret) if not piece.startswith("-----"))
