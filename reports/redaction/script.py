"""
A user's script without secrets and people's names, and still a program.

Only literals and comments are looked into: ``token = os.environ["TOKEN"]`` gives nothing away, and has to go on
working.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Sequence

from reports.redaction.redactor import Redactor
from reports.redaction.shapes import SECRET, is_secret_name

_TEXTS = frozenset(
    number for name in ("STRING", "FSTRING_MIDDLE", "COMMENT") if (number := getattr(tokenize, name, None)) is not None
)
_Edit = tuple[tuple[int, int], tuple[int, int], str]


class ScriptError(ValueError):
    """It would be no program any more."""


def redact_script(text: str, redactor: Redactor) -> str:
    """
    The script with placeholders.

    :raises ScriptError: it is no Python, or can't be redacted without breaking it.
    """
    redactor.learn([text])
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        changed = _edited(text, list(_edits(tokens, redactor)))
        ast.parse(changed)
    except (SyntaxError, tokenize.TokenError, ValueError) as error:
        raise ScriptError(f"it can't be redacted without breaking it ({error})") from error
    return changed


def _edits(tokens: Sequence[tokenize.TokenInfo], redactor: Redactor) -> Iterator[_Edit]:
    named = set(_given_to_secrets(tokens))
    for token in tokens:
        new = token.string
        if token.start in named:
            new = f'"{SECRET}"'
        elif token.type in _TEXTS:
            new = redactor.text(token.string)
        elif token.type == tokenize.NAME:
            new = redactor.identifier(token.string)
        if new != token.string:
            yield token.start, token.end, new


def _given_to_secrets(tokens: Sequence[tokenize.TokenInfo]) -> Iterator[tuple[int, int]]:
    """Where the literals stand that are assigned to, passed as or stored under a name of a secret."""
    line: list[tokenize.TokenInfo] = []
    hidden: tokenize.TokenInfo | None = None
    for token in tokens:
        if token.type in (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT):
            continue
        if token.type == tokenize.NEWLINE:
            line, hidden = [], None
            continue
        if token.type == tokenize.STRING:
            # Of a secret in pieces, "abc" "def" or "abc" + "def", all go.
            before = line[-2:] if line and line[-1].string == "+" else line[-1:]
            if (hidden is not None and hidden in before) or any(map(is_secret_name, _names(line))):
                hidden = token
                yield token.start
        line.append(token)


def _names(before: Sequence[tokenize.TokenInfo]) -> Iterator[str]:
    """What a literal behind these tokens may be given to."""
    words = [token.string.strip("rRbBuU\"'") if token.type == tokenize.STRING else token.string for token in before]
    if len(words) < 2:
        return
    sign = words[-1]
    if sign in ("=", ":", "==", "!="):
        yield words[-2]
        if words[-2] == "]" and len(words) > 2:  # os.environ["HF_TOKEN"] = …
            yield words[-3]
        if sign == "=" and words[1] == ":":  # api_key: str = …
            yield words[0]
    elif sign == "," and before[-2].type == tokenize.STRING:  # setdefault("HF_TOKEN", …)
        yield words[-2]


def _edited(text: str, edits: Sequence[_Edit]) -> str:
    lines = [f"{line}\n" for line in text.split("\n")]  # as the tokeniser counts them
    for (row, column), (last, end), new in reversed(edits):
        before, after = lines[row - 1][:column], lines[last - 1][end:]
        lines[row - 1 : last] = [before + new + after]
    return "".join(lines).removesuffix("\n")
