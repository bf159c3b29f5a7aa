"""Helpers of look-ups beside the tier: which arguments may be looked up as they are, and the numbers of owners.

``hit`` has three switches beside them, which any thread may turn and which cost a hit next to nothing. The
generation changes when connections are configured again. ``watched`` says that an observer wants every operation.
The number of blocks says how many ``no_l1()`` blocks are open anywhere in the process.
"""

from __future__ import annotations

from contextvars import ContextVar
from itertools import count
from threading import RLock
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ABSENT", "PLAIN", "SKIP", "TOLD", "Block", "bypassed", "call_arguments", "is_class", "is_exact", "number",
    "soon_of",
]  # fmt: skip

ABSENT: Any = type("ABSENT", (), {"__repr__": lambda _: "ABSENT", "__slots__": ()})()

HOOK = "__cache_key__"  # the method by which an instance tells its identity

# The first argument of a function is a plain argument (PLAIN), does not count (SKIP), or is an instance that tells
# its identity (TOLD).
PLAIN, SKIP, TOLD = 0, 1, 2

# The classes of arguments that are compared by value. They are known by their ids: a look-up in a set of classes
# would run ``__eq__`` and ``__hash__`` of a metaclass.
EXACT = frozenset(map(id, (int, str, bool, float, bytes, type(None))))


class Block:
    """One ``no_l1()`` block: false once it has ended. A task that outlives the block is in no block any more."""

    __slots__ = ("outer", "over")

    def __init__(self, outer: object) -> None:
        self.outer = outer
        self.over = False

    def __bool__(self) -> bool:
        return not self.over or bool(self.outer)


bypassed: ContextVar[object] = ContextVar("rcollections_no_l1", default=None)
_numbers = count(2, 2)
_numbering = RLock()  # a counter of itertools may give two threads the same number where there is no GIL


def number() -> int:
    """A number for an owner. The next number is its too, for calls held under their server key. 1: collections."""
    with _numbering:
        return next(_numbers)


async def soon(value: object) -> Any:
    """A real coroutine whose result is there already."""
    return value


def soon_of(name: str) -> Callable[[object], Any]:
    """``soon``, of which the coroutines are called ``name``: Python names a coroutine that nobody awaits."""
    if not name:
        return soon
    made = FunctionType(soon.__code__, soon.__globals__, name.rpartition(".")[2])
    made.__qualname__ = name
    return made


def is_exact(args: tuple[Any, ...]) -> bool:
    """Whether all arguments can be compared by type and value, without running code of the user."""
    return EXACT.issuperset(map(id, map(type, args)))


def is_class(each: object) -> bool:
    """Whether ``each`` really is a class: ``isinstance`` would believe the ``__class__`` of an object."""
    return issubclass(type(each), type)


def call_arguments(mode: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
    """The arguments that the result of a call is held under; None if it has to be held under its key on the server."""
    if mode != PLAIN:
        if not args:
            return None
        first, args = args[0], args[1:]
        if mode == TOLD:
            told = _told(first)
            if told is ABSENT:
                return None
    if not is_exact(args):
        return None
    if kwargs:
        if not is_exact(tuple(kwargs.values())) or any(type(name) is not str for name in kwargs):
            return None
        args = (*args, tuple(kwargs), *kwargs.values())
    return (type(first), told, *args) if mode == TOLD else args


def _told(instance: object) -> Any:
    """The identity that an instance tells, or the class itself of which a class method is called; else ABSENT.

    The class decides whether its instances tell. An instance may still have a hook of its own; None is no hook.
    """
    if is_class(instance):
        return instance
    if getattr(type(instance), HOOK, None) is None:
        return ABSENT
    hook = getattr(instance, HOOK, None)
    if hook is None:
        return ABSENT
    own = hook()
    return own if id(type(own)) in EXACT else ABSENT
