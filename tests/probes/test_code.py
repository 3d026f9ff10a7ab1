"""Whose code a frame is and how it is called; which errors say that memory was wanting."""

from __future__ import annotations

import pytest

from probes import code
from probes.tracebacks import is_memory_error


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("train", "train"),
        ("RecurrentPPO.train", "train"),
        ("Tickets.settle.<locals>.<listcomp>", "settle"),
        ("read.<locals>.<genexpr>", "read"),
        ("<listcomp>", "<listcomp>"),
        ("<module>", "<module>"),
        ("make.<locals>.<lambda>", "make.<locals>.<lambda>"),
    ],
)
def test_a_function_is_called_by_its_own_name_alone(function: str, expected: str) -> None:
    assert code.bare(function) == expected


@pytest.mark.parametrize(
    ("file", "owner", "engine"),
    [
        ("/me/train.py", None, False),
        ("/x/site-packages/sb3_contrib/common/buffers.py", "sb3_contrib", False),
        ("/x/site-packages/torch/nn/modules/module.py", "torch", True),
        ("/usr/lib/python3.11/threading.py", "python", True),
        ("/x/libgomp.so.1", "libgomp.so.1", True),
        ("<stdin>", None, False),
    ],
)
def test_a_file_belongs_to_the_user_a_library_or_the_engine_room(file: str, owner: str | None, engine: bool) -> None:
    assert code.library(file) == owner
    assert code.is_engine(file) is engine


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("MemoryError", ""),
        ("numpy._core._exceptions._ArrayMemoryError", "Unable to allocate 8.00 GiB"),
        ("OutOfMemoryError", "CUDA out of memory."),
        ("RuntimeError", "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        ("RuntimeError", "CUDA out of memory. Tried to allocate 2.00 GiB"),
        ("RuntimeError", "std::bad_alloc"),
        ("OSError", "[Errno 12] Cannot allocate memory"),
    ],
)
def test_an_error_for_want_of_memory(kind: str, message: str) -> None:
    assert is_memory_error(kind, message)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied"),
        ("ValueError", "out of memory of the last trade"),
        ("OSError", "[Errno 28] No space left on device"),
        ("AssertionError", ""),
    ],
)
def test_other_errors_are_not_for_want_of_memory(kind: str, message: str) -> None:
    assert not is_memory_error(kind, message)
