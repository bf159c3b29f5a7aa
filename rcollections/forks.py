"""Functions that run around a fork. In the child threads are gone, and a lock may be held by a thread that is gone.

No other file of this package asks Python to be called around a fork. In a child the functions run in the order of
their registration; an error of one function does not keep the later functions from running.
"""

from __future__ import annotations

import logging
import os
import weakref
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import MethodType

__all__ = ["after_fork", "around_fork", "at_fork", "at_worker"]

log = logging.getLogger("rcollections")

# For each registration a getter: it returns the function to call, or None when the object of a method is gone.
_in_child: dict[int, Callable[[], Any]] = {}
_around: list[tuple[Callable[[], Any], Callable[[], Any]]] = []
_numbers = count()  # of an object that threads may share
_hooked = False


def at_fork(function: Callable[[], None]) -> None:
    """Call this function of a module in every child."""
    _add(lambda: function, next(_numbers))


def after_fork(method: Callable[[], None]) -> None:
    """Call this bound method in every child, as long as its object lives."""
    number, bound = next(_numbers), cast("MethodType", method)
    function, registered = bound.__func__, _in_child
    # No WeakMethod: as the interpreter ends, the callback of one that has gone before its object says so on stderr.
    owner: weakref.ref[Any] = weakref.ref(bound.__self__, lambda _: registered.pop(number, None))

    def found() -> Any:
        alive = owner()
        return None if alive is None else partial(function, alive)

    _add(found, number)


def around_fork(before: Callable[[], Any], after: Callable[[], Any]) -> None:
    """Call ``before`` before each fork and ``after`` behind the fork: in the parent, and first of all in the child."""
    _hook()
    _around.append((before, after))


def at_worker(owner: Any, function: Callable[[Any], None]) -> None:
    """Call ``function(owner)`` in each worker of multiprocessing, after the worker has dropped its parent's finalizers.

    A caller that had registered a finalizer with ``multiprocessing.util`` must register it again in the worker.
    """
    from multiprocessing import util

    util.register_after_fork(owner, function)


def _add(found: Callable[[], Any], number: int) -> None:
    _hook()
    _in_child[number] = found


def _hook() -> None:
    global _hooked
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked = True
        os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_child)


def _before() -> None:
    for before, _ in reversed(_around):
        before()


def _after() -> None:
    for _, after in _around:
        after()


def _child() -> None:
    _after()
    for found in list(_in_child.values()):
        function = found()
        if function is not None:
            try:
                function()
            except Exception:  # the later functions have locks to renew too
                log.exception("something was not made anew after a fork")
