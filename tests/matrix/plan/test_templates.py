from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matrix.plan.templates import TemplateError, fill, finish, placeholders

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

NAMES = st.sampled_from(["lr", "env", "n_steps", "a-b.c"])
VALUES = st.dictionaries(NAMES, st.text(max_size=8))


@UNHURRIED
@given(
    st.lists(st.one_of(NAMES.map(lambda name: ("name", name)), st.text(max_size=5).map(lambda text: ("text", text))))
)
def test_a_word_says_what_it_was_made_to_say(parts: list[tuple[str, str]]) -> None:
    word = "".join(
        f"{{{text}}}" if kind == "name" else text.replace("{", "{{").replace("}", "}}") for kind, text in parts
    )
    names = [text for kind, text in parts if kind == "name"]
    values = {name: f"<{{{name}}}>" for name in names}
    wanted = "".join(values[text] if kind == "name" else text for kind, text in parts)
    assert list(placeholders(word)) == names
    assert finish(word, values) == wanted
    assert finish(fill(word, values), {}) == wanted


@UNHURRIED
@given(VALUES, st.text(max_size=5))
def test_what_is_put_in_is_never_taken_for_a_placeholder(values: dict[str, str], seed: str) -> None:
    word = "".join(f"{{{name}}}" for name in values) + "{seed}"
    assert finish(fill(word, values), {"seed": seed, "lr": "wrong"}) == "".join(values.values()) + seed


@UNHURRIED
@given(st.text(max_size=10))
def test_any_word_has_placeholders_or_is_refused(word: str) -> None:
    with contextlib.suppress(TemplateError):
        assert not {"{", "}"} & set("".join(placeholders(word)))


@pytest.mark.parametrize("word", ["{", "}", "a{b", "{}", "{a b}", "{a!r}", "{{a}", "{0}"])
def test_a_brace_that_stands_alone_is_refused(word: str) -> None:
    with pytest.raises(TemplateError):
        list(placeholders(word))
