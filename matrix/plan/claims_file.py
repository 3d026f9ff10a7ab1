"""``[[claims]]``: what somebody says about the freeze."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from matrix.errors import expected_one_of
from matrix.plan.claims import TESTS, Claim
from matrix.plan.kinds import Kinds
from matrix.plan.parameters import Level
from matrix.plan.tables import Table
from probes.verdicts import Verdict

ReadLevel = Callable[[Table, str, object], Level]


def read_claims(document: Table, kinds: Kinds, level: ReadLevel) -> Iterator[Claim]:
    """
    Reads every claim.

    :param level: reads the level of a factor.
    :raises MatrixError: a claim that can't be tested as it stands.
    """
    return (_claim(table, kinds, level) for table in document.tables("claims"))


def _claim(table: Table, kinds: Kinds, level: ReadLevel) -> Claim:
    table.allow_only(("says", "test", "factor", "verdict", "where", "needs"))
    says = table.text("says")
    condition = table.table("where")
    where = {name: level(condition, name, value) for name, value in condition.values.items()}
    if "needs" in table.values:
        if "test" in table.values:
            table.fail("needs", "a claim has either a test or needs something else; drop one of the two")
        return Claim(says, None, where=where, needs=table.text("needs"))
    test = next((test for test in TESTS if test == table.text("test")), None)
    if test is None:
        table.fail("test", f"unknown test {table.values['test']!r}; {expected_one_of(table.values['test'], TESTS)}")
    if test in ("same", "differs"):
        factor = table.text("factor")
        if factor not in kinds:
            table.fail("factor", f"unknown factor {factor!r}; {expected_one_of(factor, kinds)}")
        return Claim(says, test, factor=factor, where=where)
    return Claim(says, test, verdicts=tuple(_verdict(table, name) for name in table.texts("verdict")), where=where)


def _verdict(table: Table, name: str) -> Verdict:
    try:
        return Verdict(name)
    except ValueError:
        table.fail("verdict", f"unknown verdict {name!r}; {expected_one_of(name, [str(v) for v in Verdict])}")
