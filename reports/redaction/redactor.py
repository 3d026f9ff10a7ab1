"""
Replaces secrets, and the names of people, by placeholders.

A token is found by its shape wherever it stands, also in the middle of a word; where only its name gives a secret away
(``WANDB_API_KEY=…``, ``--password …``), whatever is given to that name goes. Shapes and names: :mod:`.shapes`.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reports.redaction import shapes
from reports.redaction.shapes import SECRET

USER = "<user>"
HOME = "<home>"

_LEAST_VALUE = 6
"""Characters that the value of an environment variable must have to be looked for anywhere: ``1`` is in every text."""
_LEAST_NAME = 3
_GENERIC = frozenset(
    (
        "root", "user", "users", "admin", "administrator", "ubuntu", "debian", "centos", "fedora", "runner", "build",
        "builder", "app", "python", "torch", "jovyan", "vscode", "ec2-user", "test", "tests", "worker", "main", "train",
        "training", "work", "node", "gitpod", "coder", "codespace", "docker", "home", "public", "shared", "default",
        "default_user", "all", "guest", "data", "model", "env", "step",
    )
)  # fmt: skip
"""User names that are words of their own: they name nobody, and would be found everywhere."""
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,6}\.[A-Za-z]{2,}")
_HOMES = (
    # Names of Windows may hold spaces, where a folder follows.
    re.compile(r"(?P<before>[\\/]{1,4}Users\\{1,4})(?P<name>[^\\/:*?\"<>|\r\n]+(?=[\\/])|[^\\/\s:*?\"'<>|,;)]+)"),
    re.compile(r"(?P<before>[A-Za-z]:/{1,4}Users/{1,4})(?P<name>[^\\/:*?\"<>|\r\n]+(?=/)|[^\\/\s:*?\"'<>|,;)]+)"),
    re.compile(r"(?P<before>(?<![A-Za-z0-9])[\\/]{1,4}(?:home|Users)/{1,4})(?P<name>[^/\\\s:'\"<>|,;)]+)"),
)


class Redactor:
    """Replaces secrets and people's names in texts that belong together: a name met in one is taken out of all."""

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        *,
        users: Iterable[str] | None = None,
        home: Path | None = None,
        people: bool = True,
    ) -> None:
        """
        :param environ: the values of its secret-looking variables are looked for, too.
        :param users: names of people; without them, whoever runs this process.
        :param home: their home folder; without one, that of this process.
        :param people: whether names and home folders go, too; if not, secrets alone.
        """
        self._hides_people = people
        self._known: dict[str, str] = {}
        found = set(_own_names()) if users is None else set(users)
        self._home = _own_home() if home is None else str(home)
        if self._home and Path(self._home).parent.name in ("home", "Users"):
            found.add(Path(self._home).name)
        self._users = {name for name in found if _is_telling(name)}
        values = {
            value for name, value in environ.items() if shapes.is_secret_name(name) and len(value) >= _LEAST_VALUE
        }
        self._values = sorted(values, key=len, reverse=True)

    def learn(self, texts: Iterable[str]) -> None:
        """Notes whose home folders these texts name."""
        if not self._hides_people:
            return
        known = len(self._users)
        for text in texts:
            for pattern in _HOMES:
                self._users.update(m["name"] for m in pattern.finditer(text) if _is_telling(m["name"]))
        if len(self._users) > known:
            self._known.clear()

    def text(self, text: str) -> str:
        """The text with placeholders; of one without secrets and names, the text itself."""
        known = self._known.get(text)  # a sweep says the same in most of its cells
        if known is None:
            known = self._replaced(text)
            self._known[text] = known
        return known

    def _replaced(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, SECRET)
        text = shapes.PRIVATE.sub(SECRET, text)
        text = shapes.URL.sub(rf"\g<scheme>{SECRET}@", text)
        text = shapes.HEADER.sub(rf"\g<name> {SECRET}", text)
        text = shapes.GIVEN.sub(_hide_value, text)
        text = shapes.ASSIGNED.sub(_hide_value, text)
        text = shapes.TOKENS.sub(SECRET, text)
        text = shapes.BASE64.sub(lambda match: SECRET if shapes.is_random(match[0]) else match[0], text)
        if not self._hides_people:
            return text
        return self._people(_EMAIL.sub(USER, text))

    def words(self, words: Sequence[str]) -> tuple[str, ...]:
        """A command line, word by word: what follows ``--password`` goes, whatever it looks like."""
        found: list[str] = []
        secret_follows = False
        for word in words:
            name, sign, _ = word.partition("=")
            if secret_follows and not (word.startswith("-") and word != "-"):
                found.append(SECRET)
                secret_follows = False
            elif shapes.OPTION.fullmatch(name):
                found.append(f"{name}={SECRET}" if sign else word)
                secret_follows = not sign
            else:
                found.append(self.text(word))
                secret_follows = False
        return tuple(found)

    def identifier(self, name: str) -> str:
        """A name in a program: a person's name in it becomes ``user``, so that it stays a name."""
        for user in self._users:
            name = re.sub(rf"(?<![A-Za-z0-9]){re.escape(user)}(?![A-Za-z0-9])", "user", name)
        return name

    def named(self, name: str, value: Any) -> Any:
        """A JSON value that stands under a name."""
        if isinstance(value, str) and shapes.is_secret_name(name) and not shapes.is_harmless(name, value):
            return SECRET
        return self.value(value)

    def value(self, value: Any) -> Any:
        """A JSON value: its strings, and whatever stands under a name of a secret."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.named(str(name), inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(inner) for inner in value]
        return value

    def _people(self, text: str) -> str:
        self.learn([text])
        for pattern in _HOMES:
            text = pattern.sub(rf"\g<before>{USER}", text)
        if self._home and len(self._home) > 1:
            text = re.sub(rf"(?<![\w.~-]){re.escape(self._home)}(?![\w-])", HOME, text)
        for name in sorted(self._users, key=len, reverse=True):
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", USER, text)
        return text


def _hide_value(match: re.Match[str]) -> str:
    value = match["value"]
    if shapes.is_harmless(match["name"], value.strip("\"'")):
        return match[0]
    quote = value[0] if value[0] in "\"'" and value[-1] == value[0] else ""
    return f"{match['name']}{match['sign']}{quote}{SECRET}{quote}"


def _is_telling(name: str) -> bool:
    return len(name) >= _LEAST_NAME and name.lower() not in _GENERIC and not name.startswith("<") and not name.isdigit()


def _own_names() -> list[str]:
    try:
        return [getpass.getuser()]
    except (OSError, KeyError):
        return []  # a container may run as a user without a name


def _own_home() -> str:
    try:
        return str(Path.home())
    except (RuntimeError, KeyError):
        return ""
