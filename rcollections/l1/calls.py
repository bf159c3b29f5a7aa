"""What a look-up needs beside the tier: which arguments may be looked up as they are, and when not to look at all.

A hit pays next to nothing for the three switches, which any thread may turn: the generation changes when
connections are configured anew, ``watched`` says that somebody observes every operation, ``bypasses`` how many
``no_l1()`` blocks are open anywhere in the process.
"""

from __future__ import annotations

from contextvars import ContextVar
from itertools import count
from threading import RLock
from typing import Any

__all__ = ["ABSENT", "PLAIN", "SKIP", "TOLD", "bypassed", "call_arguments", "is_class", "is_exact", "number", "soon"]

ABSENT: Any = type("ABSENT", (), {"__repr__": lambda _: "ABSENT", "__slots__": ()})()

HOOK = "__cache_key__"  # the method by which an instance tells what it is

# What the first argument of a function is: like the others; of no account; an instance that tells what it is.
PLAIN, SKIP, TOLD = 0, 1, 2

# The classes of what is compared by value, known by their ids: asking whether a class is in a set of classes runs
# what its metaclass says of equality and of hashes.
EXACT = frozenset(map(id, (int, str, bool, float, bytes, type(None))))

bypassed: ContextVar[bool] = ContextVar("rcollections_no_l1", default=False)
_numbers = count(2, 2)
_numbering = RLock()  # a counter of itertools may give two threads the same number where there is no GIL


def number() -> int:
    """Of an owner; the next one is its too, for calls that are held under their key on the server. 1: collections."""
    with _numbering:
        return next(_numbers)


async def soon(value: Any) -> Any:
    """A real coroutine that has its result."""
    return value


def is_exact(args: tuple[Any, ...]) -> bool:
    """Whether all of these can be compared by type and value, without running code of others."""
    return EXACT.issuperset(map(id, map(type, args)))


def is_class(each: Any) -> bool:
    """Whether it really is one: ``isinstance`` believes what an object says of its class."""
    return issubclass(type(each), type)


def call_arguments(mode: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
    """Under what the result of a call is held; None if that has to be its key on the server."""
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


def _told(instance: Any) -> Any:
    """What an instance says that it is, or the class itself of which a class method is called; else ABSENT.

    Only a class makes its instances tell; what they have may still be another hook, or None, which is none.
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
