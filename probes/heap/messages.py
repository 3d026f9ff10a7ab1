"""
What is said of a damaged heap: by the C library before it aborts, and by AddressSanitizer.

Where such damage is *noticed* is seldom where it was *caused*: glibc looks at a block only when it is handed out,
given back or merged with a neighbour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath

from probes.stacks import Frame


class Family(str, Enum):
    """Messages that speak of the same kind of mistake. One mistake can cause any message of its family, and others."""

    DOUBLE_FREE = "double-free"
    INVALID_POINTER = "invalid-pointer"
    OVERFLOW = "overflow-into-metadata"
    USE_AFTER_FREE = "use-after-free-likely"
    STACK_SMASH = "stack-smash"
    BUFFER_OVERFLOW = "buffer-overflow"
    BAD_ACCESS = "bad-access"

    def __str__(self) -> str:
        return self.value


EXPLANATIONS: dict[Family, str] = {
    Family.DOUBLE_FREE: (
        "a block was given back that the heap holds for free already: it was freed twice, or what tells so beside it "
        "was overwritten"
    ),
    Family.INVALID_POINTER: (
        "something was given back that is not the start of a block of this heap: a pointer into the middle of a "
        "block, one of another allocator's, or one whose header was overwritten"
    ),
    Family.OVERFLOW: (
        "the size that stands in front of a block makes no sense: most often something wrote past the end of the "
        "block before it"
    ),
    Family.USE_AFTER_FREE: (
        "the links that the heap keeps inside freed blocks were overwritten: most often something still wrote into "
        "a block after it had been freed, else past the end of the block before it"
    ),
    Family.STACK_SMASH: "a function wrote past the end of an array on its own stack and noticed it as it returned",
    Family.BUFFER_OVERFLOW: "an access past the end of a buffer was seen in the very call that made it",
    Family.BAD_ACCESS: "memory was touched that does not belong to the process, by a pointer that is wrong",
}

_TABLE: dict[Family, tuple[str, ...]] = {
    # glibc's malloc/malloc.c, malloc/arena.c and malloc/malloc-check.c, releases 2.31 to 2.41.
    Family.DOUBLE_FREE: (
        r"free\(\): double free detected in tcache \d",
        r"double free detected in tcache \d",
        r"double free or corruption(?: \((?:fasttop|top|!prev)\))?",
        r"block freed twice",
    ),
    Family.INVALID_POINTER: (
        r"free\(\): invalid pointer",
        r"free\(\): invalid size",
        r"realloc\(\): invalid pointer",
        r"munmap_chunk\(\): invalid pointer",
        r"mremap_chunk\(\): invalid pointer",
    ),
    Family.OVERFLOW: (
        r"double free or corruption \(out\)",
        r"free\(\): invalid next size \((?:fast|normal)\)",
        r"malloc\(\): corrupted top size",
        r"malloc\(\): memory corruption",
        r"malloc\(\): invalid size \(unsorted\)",
        r"malloc\(\): invalid next size \(unsorted\)",
        r"malloc\(\): mismatching next->prev_size \(unsorted\)",
        r"malloc\(\): invalid next->prev_inuse \(unsorted\)",
        r"malloc_consolidate\(\): invalid chunk size",
        r"realloc\(\): invalid old size",
        r"realloc\(\): invalid next size",
        r"corrupted size vs\. prev_size(?: in fastbins| while consolidating)?",
        r"break adjusted to free malloc space",
        r"malloc: top chunk is corrupt",
        r"malloc_check_get_size: memory corruption",
        r"memory clobbered (?:before allocated block|past end of allocated block)",
        # The assertions of sysmalloc and _int_malloc, in the three wordings of these releases.
        r"(?:\S+: )?(?:\./)?(?:malloc/)?malloc\.c:\d+: \w+: Assertion `[^\n]*' failed\.",
        r"Fatal glibc error: (?:\./)?(?:malloc/)?malloc\.c:\d+ \(\w+\): assertion failed: [^\n]*",
        r"Fatal glibc error: malloc assertion failure in \w+: [^\n]*",
    ),
    Family.USE_AFTER_FREE: (
        r"malloc\(\): unaligned tcache chunk detected",
        r"malloc\(\): unaligned fastbin chunk detected(?: \d)?",
        r"malloc\(\): memory corruption \(fast\)",
        r"malloc\(\): smallbin double linked list corrupted",
        r"malloc\(\): unsorted double linked list corrupted",
        r"malloc\(\): largebin double linked list corrupted \((?:nextsize|bk)\)",
        r"malloc\(\): corrupted unsorted chunks(?: \d)?",
        r"malloc_consolidate\(\): unaligned fastbin chunk detected",
        r"malloc_info\(\): unaligned fastbin chunk detected",
        r"tcache_thread_shutdown\(\): unaligned tcache chunk detected",
        r"free\(\): unaligned chunk detected in tcache \d",
        r"free\(\): too many chunks detected in tcache",
        r"free\(\): corrupted unsorted chunks",
        r"invalid fastbin entry \(free\)",
        r"corrupted double-linked list(?: \(not small\))?",
    ),
    # glibc's debug/: the compiler's stack protector and the checked string functions.
    Family.STACK_SMASH: (
        r"\*\*\* stack smashing detected \*\*\*: (?:terminated|<unknown>|\S+ terminated)",
        r"\*\*\* longjmp causes uninitialized stack frame \*\*\*: (?:terminated|<unknown>|\S+ terminated)",
    ),
    Family.BUFFER_OVERFLOW: (r"\*\*\* buffer overflow detected \*\*\*: (?:terminated|<unknown>|\S+ terminated)",),
}

_SANITIZER: dict[Family, tuple[str, ...]] = {
    # compiler-rt's asan_errors.h.
    Family.DOUBLE_FREE: ("attempting double-free",),
    Family.INVALID_POINTER: (
        "attempting free on address which was not malloc",
        "attempting to call malloc_usable_size",
        "alloc-dealloc-mismatch",
        "new-delete-type-mismatch",
    ),
    Family.USE_AFTER_FREE: ("heap-use-after-free",),
    Family.BUFFER_OVERFLOW: (
        "heap-buffer-overflow",
        "global-buffer-overflow",
        "container-overflow",
        "negative-size-param",
        "memcpy-param-overlap",
        "strcpy-param-overlap",
    ),
    Family.STACK_SMASH: (
        "stack-buffer-overflow",
        "stack-buffer-underflow",
        "dynamic-stack-buffer-overflow",
        "stack-overflow",
        "stack-use-after-return",
        "stack-use-after-scope",
    ),
    Family.BAD_ACCESS: ("SEGV on unknown address", "unknown-crash", "BUS on unknown address", "wild-"),
}

_LIBC = "|".join(pattern for patterns in _TABLE.values() for pattern in patterns)
# A line of its own; or right behind a progress bar, which ends in no newline but never in a blank or a quote.
# Older releases, and the debug library, put the program's name before it and the address behind.
_BEFORE = r"(?:^|[\r\]|)%>═━█░▏▎▍▌▋▊▉]|\x1b\[[0-9;?]*[A-Za-z])(?:\*\*\* Error in `[^'\n]*': |[^\s:'\"()]+: )?"
_IN_TEXT = re.compile(rf"{_BEFORE}(?P<libc>{_LIBC})(?:: 0x[0-9a-f]+(?: \*\*\*)?)?[ \t\r]*$", re.MULTILINE)
_ASAN = re.compile(r"^==\d+==\s*ERROR: AddressSanitizer: (?P<asan>[^\n]{3,200})$", re.MULTILINE)
_ASAN_ADDRESS = re.compile(r"(?: on)?(?: (?:unknown )?address)? 0x[0-9a-f]{6,}.*| in thread T.*")


def message(text: str) -> str | None:
    """The last such message in what a process printed; None if there is none."""
    found = [(match.start("libc"), match["libc"]) for match in _IN_TEXT.finditer(text)]
    found += [(match.start("asan"), f"AddressSanitizer: {match['asan'].strip()}") for match in _ASAN.finditer(text)]
    return max(found)[1] if found else None


def classify(said: str) -> Family | None:
    """The family of a message that :func:`message` found; None for any other text."""
    if said.startswith("AddressSanitizer: "):
        told = said.partition(": ")[2]
        return next(
            (family for family, names in _SANITIZER.items() if any(told.startswith(name) for name in names)), None
        )
    for family, patterns in _TABLE.items():
        if any(re.fullmatch(pattern, said) for pattern in patterns):
            return family
    return None


def kind(said: str | None) -> str | None:
    """A message without what differs from one run to the next: addresses, line numbers, process ids."""
    if said is None:
        return None
    if said.startswith("AddressSanitizer: "):
        return _ASAN_ADDRESS.sub("", said).strip()
    return re.sub(r"malloc\.c:\d+", "malloc.c", said)


@dataclass(frozen=True)
class Noticer:
    """Who called the C library's allocator as it noticed the damage."""

    function: str
    library: str
    """File name of the shared library or source file that the call came from."""


_ALLOCATOR_NAMES = frozenset(
    {"free", "cfree", "malloc", "calloc", "realloc", "reallocarray", "memalign", "posix_memalign", "aligned_alloc"}
    | {"operator_delete", "operator_new", "_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdaPvm", "_Znwm", "_Znam"}
)
# Calls pass through these on their way from whoever wanted the block to the C library.
_PASSED_THROUGH = re.compile(
    r"^(?:libc[.-]|ld-|ld\.so|libpthread|libstdc\+\+|libc\+\+|libasan|libc_malloc_debug|libffi|_ctypes|libclang_rt)"
)
_CTYPES_SOURCE = re.compile(r"/_ctypes/\w+\.c$")


def freeing_library(frames: Sequence[Frame]) -> Noticer | None:
    """
    The code that handed a block to the allocator when that noticed the damage.

    :param frames: of the dying thread, innermost first.
    :return: the first frame that is neither the C library's nor a mere passage to it; None if the allocator is not
        on the stack.
    """
    inside = [place for place, frame in enumerate(frames) if _is_allocator(frame)]
    if not inside:
        return None
    for frame in frames[inside[-1] + 1 :]:
        name = PurePath(frame.file).name
        if not (_PASSED_THROUGH.match(name) or _CTYPES_SOURCE.search(frame.file)):
            return Noticer(frame.function, name)
    return None


def _is_allocator(frame: Frame) -> bool:
    bare = frame.function.partition("(")[0].strip().replace(" ", "_")
    return frame.is_native and (
        bare in _ALLOCATOR_NAMES or bare.removeprefix("__libc_").removeprefix("__interceptor_") in _ALLOCATOR_NAMES
    )


_ASAN_FRAME = re.compile(
    r"^\s+#\d+ 0x[0-9a-f]+(?: in (?P<function>\S.*?))? *(?:\((?P<module>\S+?)\+0x[0-9a-f]+\)"
    r"|(?P<source>/\S+?):\d+(?::\d+)?)",
    re.MULTILINE,
)


_INTERPRETER = re.compile(r"(?:^|/)(?:libpython|python\d?)[^/]*$|/(?:Python|Objects|Modules|Programs)/[\w/]+\.c$")


def sanitizer_place(text: str) -> Noticer | None:
    """
    The first frame of the last AddressSanitizer report that is neither its own nor the C library's; None if that is
    the Python interpreter, whose Python function says more.
    """
    start = text.rfind("ERROR: AddressSanitizer:")
    if start < 0:
        return None
    return _first_outside(_ASAN_FRAME.finditer(text, start))


def _first_outside(frames: Iterable[re.Match[str]]) -> Noticer | None:
    for match in frames:
        path = match["module"] or match["source"] or "?"
        name = PurePath(path).name
        if _CTYPES_SOURCE.search(path) or _PASSED_THROUGH.match(name):
            continue
        if _INTERPRETER.search(path):
            return None
        if not (match["function"] or "").startswith("__interceptor_"):
            return Noticer((match["function"] or "?").strip(), name)
    return None
