"""Changes that can't be made one without the other: what is tried in their place, in real environments."""

from __future__ import annotations

from pathlib import Path

from matrix.bisecting.call import Call
from matrix.bisecting.locks import Locked, Pin
from matrix.bisecting.result import Result
from matrix.bisecting.runs import Counts
from matrix.bisecting.search_lock import LockPair, search_lock
from matrix.bisecting.subject import Subject
from matrix.environments.cache import UvEnvironments

REQUIRED = "tiny 2.0 -> 1.0"
REQUIRING = "picky 1.0 added"


def _search(program: str, environments: UvEnvironments, tmp_path: Path) -> Result:
    """``picky`` wants ``tiny`` below 2: it can't be added to the good lock by itself."""
    script = tmp_path / "check.py"
    script.write_text(program, encoding="utf-8")
    good = Locked({"tiny": Pin("tiny", "2.0")})
    bad = Locked({"tiny": Pin("tiny", "1.0"), "picky": Pin("picky", "1.0")})
    pair = LockPair(good, bad, ("good.txt", "bad.txt"), "3.11")
    subject = Subject((str(script),), Counts.EXIT_CODE, stacks=False)
    call = Call(tmp_path / "out", (str(script),), subject, environments=environments, cache=tmp_path / "envs")
    return search_lock(pair, call)


def _sides(found: Result) -> dict[str, tuple[object, object]]:
    assert found.certificate is not None
    assert all(pair.bad_freezes and pair.good_passes for pair in found.certificate.pairs)
    return {pair.shows: (pair.good, pair.bad) for pair in found.certificate.pairs}


def test_the_rest_is_tried_without_what_requires_the_culprit(uv_environments: UvEnvironments, tmp_path: Path) -> None:
    program = "import tiny\nassert tiny.VERSION != '1.0'\n"
    found = _search(program, uv_environments, tmp_path)
    assert found.conclusion is not None
    assert found.conclusion.culprit == (REQUIRED,)
    shown = _sides(found)
    assert shown["on the good end it is enough"] == ((), (REQUIRED,))
    assert shown["it is needed, tried without what requires it"] == ((), (REQUIRING, REQUIRED))


def test_a_change_that_needs_another_is_tried_with_it(uv_environments: UvEnvironments, tmp_path: Path) -> None:
    program = "try:\n    import picky\nexcept ImportError:\n    raise SystemExit(0)\nraise SystemExit('picky')\n"
    found = _search(program, uv_environments, tmp_path)
    assert found.conclusion is not None
    assert found.conclusion.culprit == (REQUIRING,)
    assert found.conclusion.unresolved == (REQUIRING,)
    shown = _sides(found)
    assert ((REQUIRED,), (REQUIRING, REQUIRED)) in shown.values()
