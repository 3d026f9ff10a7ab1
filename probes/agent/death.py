"""
The moment of death: a process that aborts or faults stays for a few seconds, so that its stack can be taken.

The fatal signals get libc's own ``sleep`` as their handler: a C function, no Python, called with the signal's
number and so asleep for 4 to 11 seconds. The disposition falls back to the default as the handler is entered
(SA_RESETHAND): when it returns, or when the supervisor sends the signal once more, the process dies of it
as it would have without us. Should the supervisor be dead, the sleep ends all the same.

The main thread also gets a stack of its own for these handlers: one whose own stack has overflowed could not even
enter one.
"""

from __future__ import annotations

import ctypes
import signal

SIGNALS = ("SIGABRT", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL")
_SA_ONSTACK = 0x08000000
_SA_NODEFER = 0x40000000
_SA_RESETHAND = 0x80000000
_SS_DISABLE = 2
_HANDLER_STACK_BYTES = 1 << 16


class _SigAction(ctypes.Structure):
    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ulong * (1024 // (8 * ctypes.sizeof(ctypes.c_ulong)))),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


class _Stack(ctypes.Structure):
    _fields_ = (("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


_handler_stack = ctypes.create_string_buffer(_HANDLER_STACK_BYTES)


def _give_handlers_a_stack(libc: ctypes.CDLL) -> None:
    old = _Stack()
    if libc.sigaltstack(None, ctypes.byref(old)) == 0 and old.flags & _SS_DISABLE:
        own = _Stack(ctypes.addressof(_handler_stack), 0, _HANDLER_STACK_BYTES)
        libc.sigaltstack(ctypes.byref(own), None)


def hold_the_dying() -> int:
    """
    Arms the fatal signals that still have their default disposition.

    :return: the mask of those armed, bit n-1 for signal n as in ``/proc/PID/status``.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    sleep = ctypes.cast(libc.sleep, ctypes.c_void_p).value
    armed = 0
    for name in SIGNALS:
        number = int(getattr(signal, name))
        old = _SigAction()
        if libc.sigaction(number, None, ctypes.byref(old)) != 0 or old.handler:
            continue
        new = _SigAction(handler=sleep)
        new.flags = ctypes.c_int(_SA_RESETHAND | _SA_NODEFER | _SA_ONSTACK).value
        if libc.sigaction(number, ctypes.byref(new), None) == 0:
            armed |= 1 << (number - 1)
    if armed:
        _give_handlers_a_stack(libc)
    return armed


def allow_tracing(supervisor: int) -> None:
    """Lets the supervisor and its children trace us where Yama restricts it; elsewhere it does nothing."""
    pr_set_ptracer = 0x59616D61
    ctypes.CDLL(None).prctl(pr_set_ptracer, ctypes.c_ulong(supervisor), 0, 0, 0)
