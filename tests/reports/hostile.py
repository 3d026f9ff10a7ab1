"""What processes may say: markup of every format, control characters, emoji, halves of surrogate pairs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from probes.diagnosis import Alternative, Culprit, Diagnosis, Evidence, Remedy, Signal, Timing
from probes.verdicts import Verdict
from tests.reports.conftest import slow

SAMPLES = (
    "<script>alert(1)</script>",
    "</td></tr></table><img src=x onerror=alert(1)>",
    "</details></main></body>",
    "<details><summary>x</summary>",
    "</title></svg><svg onload=alert(1)>",
    "]]> --> <!-- <![CDATA[",
    "&lt;b&gt; &#60;b&#62; &amp;",
    "[a](javascript:alert(1)) ![b](https://example.com/c.png)",
    "<https://example.com> <a@example.com>",
    "`` ``` ```` ~~~",
    "a | b || \\| \\",
    "# heading\n\n- item\n1. one\n> quote\n---\n===",
    "**bold** _under_ ~~gone~~ $x^2$ $$y$$",
    "\x1b[31mred\x1b[0m \x07 \x00 \x9b1m \r\n \x0b \x0c \x85",
    "\u202eevil\u2066 \u2028 \u2029 \ufeff \ufffe",
    "\ud83d\ud83d \udcff",
    "🧊🚂 👩\u200d💻 e\u0301\u0301 日本語 \U000e0041",
    "    four blanks",
    "\t",
    "",
    "x" * 400,
)

ANYTHING = st.one_of(
    st.text(alphabet=st.characters(), max_size=40),
    st.sampled_from(SAMPLES),
    st.tuples(st.sampled_from(SAMPLES), st.text(alphabet=st.characters(), max_size=8)).map("".join),
)
"""Also halves of surrogate pairs: JSON can hold them, and so do names of files that are no UTF-8."""


def filled(words: Iterable[str]) -> Diagnosis:
    """A diagnosis with one of ``words`` wherever a process has a say; the same number of parts whatever they are."""
    said = iter(words)

    def word() -> str:
        return next(said, "said")

    def frames() -> list[list[Any]]:
        return [
            [word(), word() + ".py", 3],
            [word(), "/env/lib/python3.11/site-packages/torch/a.py", 4],
            [word(), word(), None],
        ]

    traceback = [{"function": word(), "file": word() + ".py", "line": 1}]
    evidence = (
        Evidence("silence", 1.0, word()),
        Evidence("stack-still", 1.0, word(), (Verdict.SPIN,), (), {"process": "main", "frames": frames()}),
        Evidence("uncaught-exception", 2.0, word(), (), (), {"type": word(), "message": word(), "frames": traceback}),
        Evidence("not-observed", 2.0, word()),
        Evidence(
            "samples", 1.0, word(), (), (),
            {
                "below": word(), "samples": 9, "stack": [word()],
                "rows": [{"function": word(), "place": word(), "share": 0.5}],
            },
        ),
        Evidence("wait-graph", 1.0, word(), (), (), {"columns": ["who", "where"], "rows": [[word(), word()]]}),
        Evidence("preflight", 1.0, word(), (), (), {"what": word(), "why": word(), "advice": word(), "before_step": 9}),
    )  # fmt: skip
    return dataclasses.replace(
        slow(),
        verdict=Verdict.CRASH,
        cause=None,
        summary=word(),
        phase=word(),
        command=("python", word(), word()),
        timing=Timing(9.0, 1.0, {word() or "train": {"count": 1, "total_s": 2.0, "max_s": 2.0}}),
        culprit=Culprit(word(), word(), 7, word(), word(), word()),
        evidence=evidence,
        alternatives=(Alternative(Verdict.SPIN, -3.0, word()),),
        signal=Signal("SIGABRT", word()),
        remedies=(Remedy("fused-lstm", word(), verified=True, before=9.0, after=3.0, ratio=3.0),),
        environment={
            "python": word(),
            "platform": word(),
            "cpu": {"model": word()},
            "gpu": word(),
            "packages": {word(): word()},
            "training": {
                "algorithm": word(),
                "policy": word(),
                "libraries": {word(): word()},
                "hyperparameters": {word(): word()},
            },
        },
        artifacts={"stdout": word()},
    )
