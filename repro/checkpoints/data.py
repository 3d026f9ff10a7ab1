"""The ``data`` of a checkpoint: the model's attributes, as JSON with pickles in it that are looked at, not loaded."""

from __future__ import annotations

import binascii
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from repro.checkpoints import pickles
from repro.checkpoints.errors import CheckpointError, UnreadableError
from repro.checkpoints.pickles import Global, Made
from repro.checkpoints.torch_file import scalar

MAX_DATA = 256 << 20
"""Bytes of JSON. What fills it is the last observations and episodes, as pickles in base64."""
_MAX_VALUES = 500_000
"""Values of JSON, so that a text of brackets can't become a hundred times its size in memory."""
_MAX_COUNT = 1 << 62
_SERIALIZED, _TYPE = ":serialized:", ":type:"


@dataclass(frozen=True)
class Embedded:
    """A pickle in the data."""

    name: str
    type: str
    """As stable-baselines3 noted it."""
    size: int
    """In bytes."""
    pickled: pickles.Pickled | None
    """None if it is not read."""
    problem: str | None = None


class Data:
    """Attributes of a saved model."""

    def __init__(
        self, values: dict[str, Any], where: str, spend: Callable[[int], None], twice: tuple[str, ...] = ()
    ) -> None:
        """
        :param where: the file, for messages.
        :param spend: is told of the memory that pickles take.
        :param twice: keys that it holds more than once.
        """
        self._values, self._where, self._spend, self.twice = values, where, spend, twice
        self._embedded: dict[str, Embedded] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def pickled(self) -> Iterator[Embedded]:
        """All the pickles in it."""
        for name in self._values:
            found = self.embedded(name)
            if found is not None:
                yield found

    def embedded(self, name: str) -> Embedded | None:
        """The value as a pickle; None if it is none."""
        value = self._values.get(name)
        if not isinstance(value, dict) or _SERIALIZED not in value:
            return None
        if name not in self._embedded:
            # Its text is not needed again, and may be most of the file.
            self._values[name] = {_SERIALIZED: None, _TYPE: value.get(_TYPE)}
            self._embedded[name] = _embedded(name, value, self._spend)
        return self._embedded[name]

    def value(self, name: str) -> Any:
        """The value: of JSON, or what a pickle would make, told without making it; None if there is none."""
        found = self.embedded(name)
        if found is None:
            return self._values.get(name)
        value = found.pickled.value if found.pickled else None
        number = scalar(value) if isinstance(value, Made) else None
        return value if number is None else number

    def count(self, name: str) -> int | None:
        """
        A whole number, 0 or more; None if there is none.

        :raises CheckpointError: if it is something else.
        """
        value = self.value(name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int or not 0 <= value < _MAX_COUNT:
            raise self._wrong(name, "a whole number, 0 or more")
        return value

    def setting(self, name: str) -> int | None:
        """A whole number, or None if it is something else: settings may be functions."""
        value = self.value(name)
        return value if type(value) is int and abs(value) < _MAX_COUNT else None

    def number(self, name: str) -> float | None:
        """
        A finite number; None if there is none, or something else than a number.

        :raises CheckpointError: if it is a number but not a finite one.
        """
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        if (isinstance(value, int) and abs(value) > _MAX_COUNT) or not math.isfinite(value):
            raise self._wrong(name, "a finite number")
        return float(value)

    def class_name(self, name: str) -> str:
        """A class that the data names, as ``module.Class``; empty if unknown."""
        value = self.value(name)
        return str(value) if isinstance(value, Global) else ""

    def _wrong(self, name: str, right: str) -> CheckpointError:
        told = "a pickle of something else" if self.embedded(name) else repr(self._values[name])[:60]
        return CheckpointError(f"{self._where}: {name} in its data is {told}, must be {right}")


def parse(content: memoryview, where: str, spend: Callable[[int], None] = lambda _: None) -> Data:
    """
    The data of a checkpoint.

    :param where: the file, for messages.
    :param spend: is told of the memory that its pickles take, in bytes, and may raise UnreadableError.
    :raises CheckpointError: if it is not what stable-baselines3 writes.
    """
    try:
        text = str(content, "utf-8")
    except ValueError as error:
        raise CheckpointError(f"{where}: its data is not JSON as stable-baselines3 writes it ({error})") from None
    if sum(text.count(sign) for sign in ",[{") > _MAX_VALUES:
        raise CheckpointError(
            f"{where}: its data holds more than {_MAX_VALUES} values; stable-baselines3 writes hundreds"
        )
    twice: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            names = [name for name, _ in items]
            twice.extend(sorted({name for name in names if names.count(name) > 1}) if len(names) < 1000 else ["?"])
        return found

    try:
        values = json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{where}: its data is not JSON as stable-baselines3 writes it ({error})") from None
    if not isinstance(values, dict):
        raise CheckpointError(f"{where}: its data is not a JSON object, as stable-baselines3 writes it")
    return Data(values, where, spend, tuple(twice))


def _embedded(name: str, value: dict[str, Any], spend: Callable[[int], None]) -> Embedded:
    """A pickle, whose text is taken out of the value."""
    kind = str(value.get(_TYPE, ""))[:200]
    try:
        if not isinstance(value[_SERIALIZED], str):
            raise UnreadableError("a pickle that is no text")
        raw = binascii.a2b_base64(value.pop(_SERIALIZED))
    except (binascii.Error, ValueError) as error:
        return Embedded(name, kind, 0, None, str(error))
    try:
        return Embedded(name, kind, len(raw), pickles.read(raw, spend))
    except UnreadableError as error:
        return Embedded(name, kind, len(raw), None, str(error))
