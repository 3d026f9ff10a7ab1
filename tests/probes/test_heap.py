"""What is said of a damaged heap: found in what a process printed, sorted into families, and nothing else mistaken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.heap import messages as heap
from probes.heap.messages import Family
from probes.stacks import Frame

DOUBLE, POINTER, OVERFLOW = Family.DOUBLE_FREE, Family.INVALID_POINTER, Family.OVERFLOW
AFTER, SMASH, BUFFER = Family.USE_AFTER_FREE, Family.STACK_SMASH, Family.BUFFER_OVERFLOW

# Every message of malloc.c, arena.c, malloc-check.c and debug/ in glibc 2.31 to 2.41.
MESSAGES = {
    "free(): double free detected in tcache 2": DOUBLE,
    "double free or corruption (fasttop)": DOUBLE,
    "double free or corruption (top)": DOUBLE,
    "double free or corruption (!prev)": DOUBLE,
    "double free or corruption (out)": OVERFLOW,
    "double free or corruption": DOUBLE,
    "free(): invalid pointer": POINTER,
    "free(): invalid size": POINTER,
    "realloc(): invalid pointer": POINTER,
    "munmap_chunk(): invalid pointer": POINTER,
    "mremap_chunk(): invalid pointer": POINTER,
    "free(): invalid next size (fast)": OVERFLOW,
    "free(): invalid next size (normal)": OVERFLOW,
    "malloc(): corrupted top size": OVERFLOW,
    "malloc(): invalid size (unsorted)": OVERFLOW,
    "malloc(): invalid next size (unsorted)": OVERFLOW,
    "malloc(): mismatching next->prev_size (unsorted)": OVERFLOW,
    "malloc(): invalid next->prev_inuse (unsorted)": OVERFLOW,
    "malloc(): memory corruption": OVERFLOW,
    "malloc_consolidate(): invalid chunk size": OVERFLOW,
    "realloc(): invalid old size": OVERFLOW,
    "realloc(): invalid next size": OVERFLOW,
    "corrupted size vs. prev_size": OVERFLOW,
    "corrupted size vs. prev_size in fastbins": OVERFLOW,
    "corrupted size vs. prev_size while consolidating": OVERFLOW,
    "break adjusted to free malloc space": OVERFLOW,
    "malloc: top chunk is corrupt": OVERFLOW,
    "malloc_check_get_size: memory corruption": OVERFLOW,
    "memory clobbered past end of allocated block": OVERFLOW,
    "memory clobbered before allocated block": OVERFLOW,
    "malloc.c:2617: sysmalloc: Assertion `(old_top == initial_top (av) && old_size == 0)' failed.": OVERFLOW,
    "Fatal glibc error: malloc.c:2599 (sysmalloc): assertion failed: (old_top == initial_top (av))": OVERFLOW,
    "Fatal glibc error: malloc assertion failure in sysmalloc: (old_top == initial_top (av))": OVERFLOW,
    "malloc(): unaligned tcache chunk detected": AFTER,
    "malloc(): unaligned fastbin chunk detected": AFTER,
    "malloc(): unaligned fastbin chunk detected 2": AFTER,
    "malloc(): unaligned fastbin chunk detected 3": AFTER,
    "malloc(): memory corruption (fast)": AFTER,
    "malloc(): smallbin double linked list corrupted": AFTER,
    "malloc(): unsorted double linked list corrupted": AFTER,
    "malloc(): largebin double linked list corrupted (nextsize)": AFTER,
    "malloc(): largebin double linked list corrupted (bk)": AFTER,
    "malloc(): corrupted unsorted chunks": AFTER,
    "malloc(): corrupted unsorted chunks 2": AFTER,
    "malloc(): corrupted unsorted chunks 3": AFTER,
    "malloc_consolidate(): unaligned fastbin chunk detected": AFTER,
    "malloc_info(): unaligned fastbin chunk detected": AFTER,
    "tcache_thread_shutdown(): unaligned tcache chunk detected": AFTER,
    "free(): unaligned chunk detected in tcache 2": AFTER,
    "free(): too many chunks detected in tcache": AFTER,
    "free(): corrupted unsorted chunks": AFTER,
    "invalid fastbin entry (free)": AFTER,
    "corrupted double-linked list": AFTER,
    "corrupted double-linked list (not small)": AFTER,
    "block freed twice": DOUBLE,
    "*** stack smashing detected ***: terminated": SMASH,
    "*** stack smashing detected ***: <unknown>": SMASH,
    "*** longjmp causes uninitialized stack frame ***: terminated": SMASH,
    "*** buffer overflow detected ***: terminated": BUFFER,
}
SANITIZED = {
    "heap-use-after-free on address 0x6030000012a0 at pc 0x7f12 bp 0x7ffd sp 0x7ffd": AFTER,
    "heap-buffer-overflow on address 0x6030000012a0 at pc 0x7f12 bp 0x7ffd sp 0x7ffd": BUFFER,
    "attempting double-free on 0x6030000012a0 in thread T0:": DOUBLE,
    "attempting free on address which was not malloc()-ed: 0x6030000012a0 in thread T0": POINTER,
    "stack-buffer-overflow on address 0x7ffd6030000012a0 at pc 0x7f12": SMASH,
    "SEGV on unknown address 0x000000000000 (pc 0x7f12 bp 0x7ffd sp 0x7ffd T0)": Family.BAD_ACCESS,
}


@pytest.mark.parametrize(("said", "family"), MESSAGES.items())
def test_every_message_is_found_where_it_is_printed_and_has_its_family(said: str, family: Family) -> None:
    for printed in (
        "{}",
        "noise\n{}\nFatal Python error: Aborted\n",
        "python3.11: {}\n",
        " 41%|████▏     | 41/100 [00:07<00:10,  5.61it/s]{}\n",
        "loading\r{}\n",
        "\x1b[32mgreen\x1b[0m{}\n",
    ):
        assert heap.message(printed.format(said)) == said
    assert heap.classify(said) is family
    assert family in heap.EXPLANATIONS


def test_the_name_and_address_that_old_releases_put_around_a_message_are_left_out() -> None:
    printed = "*** Error in `python': free(): invalid pointer: 0x00007f3c2c0008c0 ***\n"
    assert heap.message(printed) == "free(): invalid pointer"


@pytest.mark.parametrize(("said", "family"), SANITIZED.items())
def test_what_address_sanitizer_says_is_found_and_has_its_family(said: str, family: Family) -> None:
    found = heap.message(f"noise\n==4711==ERROR: AddressSanitizer: {said}\n    #0 0x7f12 in free\n")
    assert found == f"AddressSanitizer: {said}"
    assert heap.classify(found) is family
    kind = heap.kind(found)
    assert kind is not None
    assert "0x" not in kind
    assert not kind.endswith((" on", " address", " "))


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "Segmentation fault\n",
        "Aborted (core dumped)\n",
        "print('free(): invalid pointer')\n",
        "    raise RuntimeError('double free or corruption (out)')\n",
        "the word double free or corruption in a sentence of its own\n",
        "we saw double free detected in tcache 2\n",
        "WARNING: root: free(): invalid pointer\n",
        "2026-11-24 12:00:00 INFO last run died of malloc(): corrupted top size\n",
        '{"error": "free(): invalid pointer"}\n',
        "free(): invalid pointer was the message\n",
        "malloc(): something that glibc never says\n",
        "free(): frees the buffer\n",
        "corrupted size vs. prev_size in the log of yesterday\n",
        "AssertionError: malloc() failed\n",
        "train.py:10: step: Assertion `x' failed.\n",
        "AddressSanitizer: heap-use-after-free is a kind of report\n",
    ],
)
def test_ordinary_logs_are_not_taken_for_one(printed: str) -> None:
    assert heap.message(printed) is None


def test_the_last_message_counts() -> None:
    printed = "free(): invalid pointer\ndouble free or corruption (out)\n"
    assert heap.message(printed) == "double free or corruption (out)"


@given(st.text(), st.text())
def test_a_message_on_a_line_of_its_own_is_found_in_any_text(before: str, after: str) -> None:
    printed = f"{before}\nmalloc_consolidate(): unaligned fastbin chunk detected\n{after}"
    assert heap.message(printed) is not None


@given(st.text())
def test_any_text_is_classified_or_is_not_but_never_fails(text: str) -> None:
    said = heap.message(text)
    assert heap.classify(text) is None or said is not None
    assert said is None or heap.kind(said)


def test_what_changes_from_run_to_run_is_no_difference() -> None:
    one = heap.kind("AddressSanitizer: attempting double-free on 0x603000001 in thread T0:")
    assert one == heap.kind("AddressSanitizer: attempting double-free on 0x60300ffff in thread T3:")
    assert one == "AddressSanitizer: attempting double-free"
    assert heap.kind(None) is None
    assert heap.kind("free(): invalid pointer") == "free(): invalid pointer"


LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"


def frames(*rows: tuple[str, str]) -> list[Frame]:
    return [Frame(function, file, None) for function, file in rows]


@pytest.mark.parametrize(
    ("stack", "noticer"),
    [
        (
            frames(("raise", LIBC), ("abort", LIBC), ("0x7f10", LIBC), ("free", LIBC), ("cuInit", "/x/libcuda.so.1")),
            ("cuInit", "libcuda.so.1"),
        ),
        (
            frames(("raise", LIBC), ("free", LIBC), ("_ZdlPv", "/x/libstdc++.so.6"), ("f", "/x/libtorch_cpu.so")),
            ("f", "libtorch_cpu.so"),
        ),
        (
            frames(("free", LIBC), ("ffi_call", "/x/libffi.so.8"), ("call", "/x/_ctypes.so"), ("step", "/x/env.py")),
            ("step", "env.py"),
        ),
        (frames(("0x7f", LIBC), ("__libc_calloc", LIBC), ("operator new(unsigned long)", "/x/libstdc++.so.6"),
                ("grow", "/x/libale.so")), ("grow", "libale.so")),
        (frames(("raise", LIBC), ("abort", LIBC), ("check", "/x/libmine.so")), None),
        (frames(("free", "/home/me/free.py"), ("main", "/home/me/train.py")), None),
        (frames(("raise", LIBC), ("free", LIBC)), None),
        ([], None),
    ],
)  # fmt: skip
def test_the_library_that_called_the_allocator_is_named(stack: list[Frame], noticer: tuple[str, str] | None) -> None:
    found = heap.freeing_library(stack)
    assert (None if found is None else (found.function, found.library)) == noticer


def test_the_place_of_a_sanitizer_report_is_its_first_frame_of_other_code() -> None:
    report = """
==7==ERROR: AddressSanitizer: attempting double-free on 0x603 in thread T0:
    #0 0x7f1 in __interceptor_free ../../../../src/libsanitizer/asan/asan_malloc_linux.cpp:52
    #1 0x7f2  (/lib/x86_64-linux-gnu/libffi.so.8+0x6f79)
    #2 0x7f3 in release (/tmp/release.so+0x1139)
    #3 0x7f4 in main /src/train.c:7

0x603 is located 0 bytes inside of 24-byte region
freed by thread T0 here:
    #0 0x7f1 in other (/tmp/other.so+0x1)
"""
    place = heap.sanitizer_place(report)
    assert place == heap.Noticer("release", "release.so")
    assert heap.sanitizer_place("no report\n    #0 0x7f3 in release (/tmp/release.so+0x1139)\n") is None
    assert heap.sanitizer_place("==7==ERROR: AddressSanitizer: SEGV\n") is None
    by_ctypes = """
==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x603 at pc 0x7f1
    #0 0x7f1 in __interceptor_memset ../../../../src/libsanitizer/x.inc:780
    #1 0x7f2 in ffi_call (/lib/x86_64-linux-gnu/libffi.so.8+0x6f79)
    #2 0x7f3 in _call_function_pointer /build/Python-3.11/Modules/_ctypes/callproc.c:943
    #3 0x7f4 in _PyObject_MakeTpCall /build/Python-3.11/Objects/call.c:214
"""
    assert heap.sanitizer_place(by_ctypes) is None
