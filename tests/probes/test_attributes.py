"""Reading the attributes of a program's objects runs nothing of it, and leaves no trace."""

from __future__ import annotations

from typing import Any

import pytest

from probes.agent.attributes import attribute


class Base:
    limit = 3

    def __init__(self) -> None:
        self.env = "inner"
        self.none = None

    def method(self) -> None: ...

    @property
    def spec(self) -> Any:
        pytest.fail("a property was run")

    def __getattr__(self, name: str) -> Any:
        pytest.fail(f"asked for {name}")


class Slotted:
    __slots__ = ("env",)

    def __init__(self) -> None:
        self.env = "inner"


@pytest.mark.parametrize(
    ("name", "value"),
    [("env", "inner"), ("limit", 3), ("none", None), ("spec", None), ("method", None), ("missing", None)],
)
def test_what_is_there_is_read_and_nothing_is_run(name: str, value: object) -> None:
    assert attribute(Base(), name) == value


def test_an_instance_goes_before_its_class_and_a_class_before_its_bases() -> None:
    class Derived(Base):
        limit = 4

    item = Derived()
    assert attribute(item, "limit") == 4
    item.limit = 5
    assert attribute(item, "limit") == 5


@pytest.mark.parametrize("item", [Slotted(), 3, None, object()])
def test_what_has_no_attributes_of_its_own_has_none(item: object) -> None:
    assert attribute(item, "env") is None
