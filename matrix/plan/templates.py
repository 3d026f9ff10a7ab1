"""Words with ``{placeholders}``: how a user's own training script is told its levels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class TemplateError(ValueError):
    """A word that can't be filled; the message says what would be right."""


def placeholders(word: str) -> Iterator[str]:
    """
    The names in a word; doubled braces are braces.

    :raises TemplateError: a brace stands alone, or what is in the braces is no name.
    """
    for found in _PIECE.finditer(word):
        name = found[1]
        if name is not None and _NAME.fullmatch(name):
            yield name
        elif found[0] not in ("{{", "}}"):
            raise TemplateError(f"{found[0]!r} in {word!r} is no placeholder; write {{name}}, and {{{{ for a brace")


def fill(word: str, values: Mapping[str, str]) -> str:
    """
    Puts in what is known. A placeholder without a value stays as it is, as do doubled braces; what is put in has its
    own braces doubled, so that the result is a word to be filled again. :func:`finish` makes it final.
    """

    def put(found: re.Match[str]) -> str:
        value = values.get(found[1] or "")
        return found[0] if value is None else value.replace("{", "{{").replace("}", "}}")

    return _PIECE.sub(put, word)


def finish(word: str, values: Mapping[str, str]) -> str:
    """Puts in the rest, and makes single braces of doubled ones."""

    def put(found: re.Match[str]) -> str:
        return found[0][0] if found[1] is None else values.get(found[1], found[0])

    return _PIECE.sub(put, word)
