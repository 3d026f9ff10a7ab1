"""
Which combinations of levels a sweep leaves out: ``adapter == "on" implies env != "dummy"``.

A constraint compares factors with levels (``==  !=  <  <=  >  >=  in [a, b]  not in [a, b]``) and joins comparisons
with ``not``, ``and``, ``or`` and ``implies``, which bind in this order; parentheses group. Names and levels are
written as in TOML: strings in either kind of quotes, numbers, true and false.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matrix.errors import expected_one_of
from matrix.plan.conditions import Comparison, Joined, Node, Not
from matrix.plan.parameters import Level

KEYWORDS = ("and", "or", "not", "in", "implies", "true", "false")
"""What no factor can be called, in a constraint."""
_DEEPEST = 100
"""Levels of nesting; Python's own stack would end a little later, with a worse message."""
_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>")
_NUMBER = re.compile(r"[+-]?[0-9][0-9_]*(\.[0-9_]+)?([eE][+-]?[0-9]+)?(?![A-Za-z0-9_.\-])")
_BASIC = re.compile(r'"((?:[^"\\]|\\["\\])*)"', re.DOTALL)
_LITERAL = re.compile(r"'([^']*)'", re.DOTALL)


@dataclass(frozen=True)
class Constraint:
    """Something that every cell must fulfil."""

    text: str
    """As it was written."""
    root: Node

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """
        Reads a constraint.

        :raises ValueError: it is none; the message says where it stops being one, and what would be right there.
        """
        return cls(text, _Parser(text).constraint())

    @property
    def factors(self) -> frozenset[str]:
        """The names that it compares."""
        return frozenset(leaf.name for leaf in self.root.leaves())

    def holds(self, assignment: Mapping[str, Level]) -> bool:
        """
        Whether the assignment is permitted.

        A comparison with a factor that the assignment lacks is undecided, and so is all that hangs on it (Kleene's
        three-valued logic): only what is there can break a constraint. So a part of an assignment is refused only
        if none that contains it is permitted, and designs need not complete it first.

        :param assignment: factors beside the constraint's own are ignored.
        """
        return self.root.truth(assignment) is not False

    def check(self, factors: Mapping[str, Sequence[Level]]) -> None:
        """
        Makes sure that it speaks of what there is: a misspelt level would silently be compared in vain.

        :param factors: all names that a cell has, each with all its levels.
        :raises ValueError: a factor is unknown, a level is none of its factor's, or a ``<`` compares what has no order.
        """
        for leaf in self.root.leaves():
            if leaf.name not in factors:
                raise ValueError(
                    f"{self.text!r} names an unknown factor {leaf.name!r}; {expected_one_of(leaf.name, factors)}"
                )
            try:
                leaf.check(factors[leaf.name])
            except ValueError as error:
                raise ValueError(f"{self.text!r}: {error}") from None

    def __str__(self) -> str:
        return str(self.root)


class _Parser:
    """Recursive descent, one method for each rank of operator."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._skip_space()

    def constraint(self) -> Node:
        node = self._implication()
        if self._at < len(self._text):
            raise self._mistake("'and', 'or', 'implies', or the end")
        return node

    def _implication(self) -> Node:
        self._deeper()
        node = self._chain("or", lambda: self._chain("and", self._negation))
        if self._keyword("implies"):
            node = Joined("implies", (node, self._implication()))
        self._depth -= 1
        return node

    def _chain(self, word: str, part: Callable[[], Node]) -> Node:
        parts = [part()]
        while self._keyword(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def _negation(self) -> Node:
        if self._keyword("not"):
            self._deeper()
            node: Node = Not(self._negation())
            self._depth -= 1
            return node
        if self._sign("("):
            node = self._implication()
            if not self._sign(")"):
                raise self._mistake("')'")
            return node
        return self._comparison()

    def _comparison(self) -> Node:
        name = self._match(_WORD, but=KEYWORDS)
        if name is None:
            raise self._mistake('a comparison that begins with a factor\'s name, such as env != "dummy"')
        sign = self._match(_OPERATOR)
        if sign is not None:
            return Comparison(name, sign, (self._level(),))
        negated = self._keyword("not")
        if not self._keyword("in"):
            raise self._mistake("'in'" if negated else "one of ==, !=, <, <=, >, >=, in, not in")
        return Comparison(name, "not in" if negated else "in", self._list())

    def _list(self) -> tuple[Level, ...]:
        if not self._sign("["):
            raise self._mistake('a list of levels, such as ["a", "b"]')
        levels = [self._level()]
        while self._sign(","):
            levels.append(self._level())
        if not self._sign("]"):
            raise self._mistake("',' or ']'")
        return tuple(levels)

    def _level(self) -> Level:
        for word, truth in (("true", True), ("false", False)):
            if self._keyword(word):
                return truth
        began = self._at
        if (number := self._match(_NUMBER)) is not None:
            try:
                value = float(number) if re.search("[.eE]", number) else int(number)
                if abs(value) < float("inf"):
                    return value
            except ValueError:
                pass
            self._at = began
            raise self._mistake("a number that is not so long")
        if (basic := self._match(_BASIC)) is not None:
            return re.sub(r"\\(.)", r"\1", basic[1:-1])
        if (literal := self._match(_LITERAL)) is not None:
            return literal[1:-1]
        raise self._mistake('a level: a number, true, false, or a string in quotes such as "on"')

    def _keyword(self, word: str) -> bool:
        found = _WORD.match(self._text, self._at)
        if found is None or found.group() != word:
            return False
        self._move(found.end())
        return True

    def _sign(self, sign: str) -> bool:
        if not self._text.startswith(sign, self._at):
            return False
        self._move(self._at + len(sign))
        return True

    def _match(self, pattern: re.Pattern[str], but: Sequence[str] = ()) -> str | None:
        found = pattern.match(self._text, self._at)
        if found is None or found.group() in but:
            return None
        self._move(found.end())
        return found.group()

    def _move(self, to: int) -> None:
        self._at = to
        self._skip_space()

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._mistake(f"at most {_DEEPEST} levels of nesting")

    def _mistake(self, expected: str) -> ValueError:
        rest = self._text[self._at : self._at + 20]
        where = f"at character {self._at + 1}, {rest!r}" if rest else "at its end"
        return ValueError(f"{self._text!r} is no constraint: {where}: expected {expected}")
