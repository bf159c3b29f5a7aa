"""Telling a decoder's own error from the exception of a signal handler, which must reach the caller as it is.

A time limit (celery's, RQ's, a test's) is an exception that a signal handler raises, wherever the program is at
that moment: inside a serializer as well. Its class can be any. What tells it apart is its traceback: Python calls
a handler with the frame that it interrupted, and the traceback has just this frame before the handler's own.
"""

from __future__ import annotations

import signal
from importlib import import_module
from threading import get_ident
from threading import main_thread as _main
from typing import TYPE_CHECKING

from ..forks import at_fork

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType, TracebackType

__all__ = ["may_be_interrupted", "pass_on"]

VARARGS = 0x04  # of co_flags, as in inspect: the function has *args

# The signals by which time limits and shutdowns come. (Ctrl-C without a handler of the program is no exception that
# a decoder's errors hide.)
_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGALRM", "SIGVTALRM", "SIGPROF", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGHUP", "SIGINT")
    if hasattr(signal, name)
)


# Without the wrapper in signal.py, which makes enums of the numbers: this is asked for each value with extensions.
_getsignal: Callable[[int], object] = import_module("_signal").getsignal
_SILENT = frozenset((int(signal.SIG_DFL), int(signal.SIG_IGN), None))  # no Python runs for these signals
_HARMLESS = _SILENT | {signal.default_int_handler}

_main_ident = _main().ident


def _after_fork() -> None:
    global _main_ident
    _main_ident = _main().ident  # the thread that forked


at_fork(_after_fork)


def may_be_interrupted(*, ctrl_c: bool = False) -> bool:
    """Whether a signal handler of the program could raise in this thread: only the main thread runs handlers.

    ``ctrl_c``: or Python's own, which raises KeyboardInterrupt; a notebook goes on after that.
    """
    if get_ident() != _main_ident:
        return False
    try:
        return not (_SILENT if ctrl_c else _HARMLESS).issuperset(map(_getsignal, _SIGNALS))
    except TypeError:  # a handler without a hash
        return True


def pass_on(error: BaseException) -> None:
    """Raise the exception of a signal handler, if ``error`` is one or was made of one; else do nothing."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        if _of_handler(each.__traceback__):
            raise each
        seen.add(id(each))
        each = each.__cause__ or each.__context__


def _of_handler(trace: TracebackType | None) -> bool:
    """Whether one of the frames was called with the frame before it: only signal handlers and tracers are."""
    while trace is not None and trace.tb_next is not None:
        if _was_given(trace.tb_next.tb_frame, trace.tb_frame):
            return True
        trace = trace.tb_next
    return False


def _was_given(frame: FrameType, before: FrameType) -> bool:
    local = frame.f_locals
    for name in _parameters(frame.f_code):
        value = local.get(name)
        if value is before or (type(value) is tuple and any(each is before for each in value)):
            return True
    return False


def _parameters(code: CodeType) -> tuple[str, ...]:
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & VARARGS)
    return code.co_varnames[:count]
