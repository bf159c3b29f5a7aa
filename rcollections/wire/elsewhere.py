"""Carrying out a step where no signal handler runs.

Python runs signal handlers in the main thread, between any two steps there. What is made of several steps in the
standard library (starting a thread, an Event, a queue) stays half done, or locked for ever, if a handler raises in the
middle (Ctrl-C is such a handler too). So the main thread has such a step carried out by a thread, and waits for it.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread
from typing import TYPE_CHECKING, TypeVar

from ..values.interruptions import may_be_interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["elsewhere"]

T = TypeVar("T")


def elsewhere(step: Callable[[], T], *, ctrl_c: bool = True) -> T:
    """What the step gives or raises. An exception of a signal handler ends only the wait: the step goes on to its end.

    Without such handlers, and on other threads, the step is carried out here. ``ctrl_c=False``: also where Ctrl-C is
    the only one, for steps that are too many to start a thread each time.
    """
    if not may_be_interrupted(ctrl_c=ctrl_c):
        return step()
    done = allocate_lock()
    done.acquire()
    gave: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            gave.append(step())
        except BaseException as error:  # the caller gets it
            raised.append(error)
        finally:
            done.release()

    try:
        start_new_thread(run, ())
    except RuntimeError:  # the interpreter ends, or there are too many threads
        return step()
    done.acquire()
    if raised:
        try:
            raise raised[0]
        finally:
            raised.clear()  # its traceback holds this frame
    return gave[0]
