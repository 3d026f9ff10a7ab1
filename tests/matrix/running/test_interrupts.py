"""Ctrl-C asks, being told to end does not."""

from __future__ import annotations

import os
import signal

import pytest

from matrix.running.interrupts import Interrupts


def test_ctrl_c_once_winds_down_and_twice_stops() -> None:
    with Interrupts() as interrupts:
        assert (interrupts.wind_down, interrupts.stop_now) == (False, False)
        os.kill(os.getpid(), signal.SIGINT)
        assert (interrupts.wind_down, interrupts.stop_now) == (True, False)
        os.kill(os.getpid(), signal.SIGINT)
        assert (interrupts.wind_down, interrupts.stop_now) == (True, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_end_stops_at_once(number: signal.Signals) -> None:
    with Interrupts() as interrupts:
        os.kill(os.getpid(), number)
        assert interrupts.stop_now


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupts.wind_down
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with Interrupts():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
