from __future__ import annotations

import dataclasses
import random

from matrix.analysis.circumstances import circumstances
from matrix.plan.cells import Trial
from matrix.results.observation import Observation
from tests.matrix.analysis.conftest import FROZEN, HEALTHY, Swept

TEN = {"env": tuple(f"e{number}" for number in range(10))}


def test_company_that_goes_with_the_failures_of_the_same_cells_is_told(swept: Swept) -> None:
    chance = random.Random(2)  # noqa: S311

    def observe(trial: Trial) -> Observation:
        frozen = trial.repeat == 1
        return dataclasses.replace(
            FROZEN if frozen else HEALTHY,
            beside=3 + chance.random() if frozen else chance.random(),
            load_before=chance.random(),
        )

    found = {item.says: item for item in circumstances(swept(TEN, observe, repeats=3).flaky)}
    company = found["The number of other trials beside it"]
    assert (company.cells, company.adjusted < 0.05) == (10, True)
    assert company.failed > company.others + 2
    assert found["The load average before"].adjusted > 0.05


def test_readings_that_differ_between_cells_only_say_nothing(swept: Swept) -> None:
    def observe(trial: Trial) -> Observation:
        hungry = float(trial.cell.levels["env"] in ("e1", "e2", "e3"))
        return dataclasses.replace(FROZEN if trial.repeat < hungry + 1 else HEALTHY, beside=hungry)

    assert circumstances(swept(TEN, observe, repeats=3).flaky) == ()


def test_a_handful_of_cells_is_too_few(swept: Swept) -> None:
    few = {"env": ("e0", "e1", "e2")}
    flaky = swept(
        few, lambda t: dataclasses.replace(FROZEN if t.repeat else HEALTHY, beside=float(t.repeat)), repeats=2
    )
    assert circumstances(flaky.flaky) == ()
