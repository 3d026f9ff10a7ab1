"""
What a pickle would make, told without making it.

A pickle is a program for a small stack machine whose ``GLOBAL`` imports and whose ``REDUCE`` calls. Here the same
program runs on a machine that does neither: a global stays a name, a call stays a record of what would have been
called with what. Opcodes: ``pickletools`` of the standard library, which parses them and executes nothing.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from repro.checkpoints.errors import UnreadableError

MAX_OPCODES = 2_000_000
"""About two seconds."""
_OPERATION, _CALL, _KEPT = 80, 400, 1 << 12
"""Bytes of memory that an operation and a call take, and that are kept of a text."""
_TOLD = 4096
"""Operations after which memory is looked at."""
_PLAIN_KEYS = (str, bytes, int, float, bool, type(None))
"""Keys that are hashed without recursion: a tuple nested deeply enough would overflow the stack."""
_CALL_AT_LOAD = {"REDUCE", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ"}


@dataclass(frozen=True)
class Global:
    """What would be imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Made:
    """An object that would be made by a call."""

    function: object
    arguments: object
    state: object = None
    items: list[Any] = field(default_factory=list)
    pairs: dict[Any, Any] = field(default_factory=dict)

    def by(self, *names: str) -> bool:
        """Whether one of these, such as ``collections.OrderedDict``, would be called."""
        return isinstance(self.function, Global) and str(self.function) in names


@dataclass(frozen=True)
class Persistent:
    """A reference to something outside the pickle, such as the storage of a tensor."""

    id: object


@dataclass(frozen=True)
class Pickled:
    """One pickle."""

    value: Any
    globals: tuple[Global, ...]
    """All that it would import, in the order of the pickle."""
    called: tuple[Global, ...]
    """Those of them that loading it would call."""
    size: int
    """In bytes; another pickle may follow."""


class _Mark:
    pass


_MARK = _Mark()


def read(data: bytes | memoryview, spend: Callable[[int], None] = lambda _: None) -> Pickled:
    """
    The first pickle of these bytes.

    :param spend: is told of the memory that it takes, in bytes, and may raise UnreadableError.
    :raises UnreadableError: if they are no pickle, or one that is not read to its end.
    """
    stream = BytesIO(data)
    machine = _Machine()
    try:
        for count, (opcode, argument, at) in enumerate(pickletools.genops(stream)):
            if count > MAX_OPCODES:
                raise UnreadableError(f"a pickle of more than {MAX_OPCODES} operations")
            if count % _TOLD == 0:
                spend(machine.told())
            if opcode.name == "STOP":
                spend(machine.told())
                value = machine.stack.pop()
                return Pickled(value, tuple(machine.globals), tuple(machine.called), (at or 0) + 1)
            machine.run(opcode.name, argument)
    except UnreadableError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, struct.error) as error:
        raise UnreadableError(f"not a whole pickle ({error})") from None
    raise UnreadableError("a pickle without an end")


class _Machine:
    """The stack machine; see ``pickletools`` for what each opcode does."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.globals: dict[Global, None] = {}
        self.called: dict[Global, None] = {}
        self._operations = self._calls = 0

    def told(self) -> int:
        """Bytes of memory that were taken since it was last asked, about."""
        cost = self._operations * _OPERATION + self._calls * _CALL
        self._operations = self._calls = 0
        return cost

    def run(self, name: str, argument: Any) -> None:
        """Runs one opcode."""
        self._operations += 1
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _ARGUMENTS:
            # Of a long text or array nothing but its beginning is needed to tell what it is.
            self.stack.append(argument[:_KEPT] if isinstance(argument, (str, bytes, bytearray)) else argument)
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _CALL_AT_LOAD:
            self._call(name, argument)
        elif name not in _IGNORED:
            getattr(self, f"_{name.lower()}")(argument)

    def _marked(self) -> list[Any]:
        for at in range(len(self.stack) - 1, -1, -1):
            if self.stack[at] is _MARK:
                found = self.stack[at + 1 :]
                del self.stack[at:]
                return found
        raise IndexError("no mark")

    def _pop(self, _: Any) -> None:
        self.stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._marked()

    def _dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def _put(self, at: int) -> None:
        self.memo[at] = self.stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _get(self, at: int) -> None:
        self.stack.append(self.memo[at])

    _binget = _long_binget = _get

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._marked()))

    def _tuple1(self, _: Any) -> None:
        self.stack.append((self.stack.pop(),))

    def _tuple2(self, _: Any) -> None:
        last = self.stack.pop()
        self.stack.append((self.stack.pop(), last))

    def _tuple3(self, _: Any) -> None:
        last, middle = self.stack.pop(), self.stack.pop()
        self.stack.append((self.stack.pop(), middle, last))

    def _list(self, _: Any) -> None:
        self.stack.append(self._marked())

    def _frozenset(self, _: Any) -> None:
        self.stack.append(self._marked())

    def _append(self, _: Any) -> None:
        value = self.stack.pop()
        _items(self.stack[-1]).append(value)

    def _appends(self, _: Any) -> None:
        values = self._marked()
        _items(self.stack[-1]).extend(values)

    _additems = _appends

    def _dict(self, _: Any) -> None:
        values = self._marked()
        self.stack.append({})
        self._set(values)

    def _setitem(self, _: Any) -> None:
        value = self.stack.pop()
        self._set([self.stack.pop(), value])

    def _setitems(self, _: Any) -> None:
        self._set(self._marked())

    def _set(self, values: list[Any]) -> None:
        holder = self.stack[-1]
        pairs = holder.pairs if isinstance(holder, Made) else holder
        if not isinstance(pairs, dict):
            return
        for key, value in zip(values[::2], values[1::2], strict=True):
            if isinstance(key, _PLAIN_KEYS):
                pairs[key] = value

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._import(module, name)

    def _stack_global(self, _: Any) -> None:
        name = self.stack.pop()
        self._import(_word(self.stack.pop()), _word(name))

    def _import(self, module: str, name: str) -> None:
        found = Global(module, name)
        self.globals[found] = None
        self.stack.append(found)

    def _ext1(self, code: int) -> None:
        self._import("copyreg", f"extension {code}")

    _ext2 = _ext4 = _ext1

    def _call(self, name: str, argument: Any) -> None:
        function: Any
        self._calls += 1
        if name == "INST":
            arguments: Any = tuple(self._marked())
            self._global(argument)
            function = self.stack.pop()
        elif name == "OBJ":
            function, *rest = self._marked()
            arguments = tuple(rest)
        elif name == "NEWOBJ_EX":
            named, arguments = self.stack.pop(), self.stack.pop()
            function = self.stack.pop()
            arguments = (*arguments, named) if isinstance(arguments, tuple) else (arguments, named)
        else:
            arguments = self.stack.pop()
            function = self.stack.pop()
        if isinstance(function, Global):
            self.called[function] = None
        self.stack.append(Made(function, arguments))

    def _build(self, _: Any) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Made):
            self.stack[-1].state = state

    def _persid(self, argument: str) -> None:
        self.stack.append(Persistent(argument))

    def _binpersid(self, _: Any) -> None:
        self.stack.append(Persistent(self.stack.pop()))

    def _next_buffer(self, _: Any) -> None:
        self.stack.append(b"")


def _items(holder: Any) -> list[Any]:
    if isinstance(holder, Made):
        return holder.items
    return holder if isinstance(holder, list) else []


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a name that is no text")
    return value


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "MARK": _MARK}
_EMPTY: dict[str, Any] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": list}
_IGNORED = {"PROTO", "FRAME", "READONLY_BUFFER"}
_ARGUMENTS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
