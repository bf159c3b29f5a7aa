"""The decorated hit in pure Python: a call that is answered by the tier, or handed on. ``_hit.pyx`` is the same.

A ``Hit`` is the base of what ``@cached`` makes of a function. All faces of one function (the function itself, its
bound methods) share an ``Owner``, which is armed with a tier by the first call that went the long way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .calls import ABSENT, PLAIN, bypassed, call_arguments, number, soon

if TYPE_CHECKING:
    from .tier import Tier

__all__ = ["Hit", "Near", "Owner", "bypass", "enable", "renew", "watch"]

READS = 1  # the owner of reads of collections

# Told by any thread and read in every call, so without a lock: two threads that add to a number may lose one.
_generation = object()
_watched = False
_blocks: list[None] = []  # as long as there are blocks


def renew() -> None:
    """Connections were configured: nobody is armed any more."""
    global _generation
    _generation = object()


def watch(on: bool) -> None:
    """Whether somebody observes operations: then every call goes the long way, which tells."""
    global _watched
    _watched = on


def bypass(by: int) -> None:
    """One ``no_l1()`` block more, or one less."""
    if by > 0:
        _blocks.extend([None] * by)
    elif by < 0:
        del _blocks[by:]


class Owner:
    """One function, as far as the tier knows it. Without the GIL ``hits`` may be a few too few."""

    __slots__ = ("_armed", "asynchronous", "by_key", "hits", "number")

    def __init__(self, asynchronous: bool = False) -> None:
        self.number = number()
        self.by_key = self.number + 1  # the owner of what is held under its key on the server
        self.asynchronous = asynchronous
        self.hits = 0
        self._armed: tuple[Tier | None, int, object] = None, PLAIN, None  # one object: nobody sees half of it

    def arm(self, tier: Tier | None, mode: int) -> None:
        """From now on calls are looked up in this tier; None: in none."""
        self._armed = tier, mode, _generation

    @property
    def tier(self) -> Tier | None:
        """Where to look now, if anywhere."""
        return _armed(self)[0]

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
        """Under what the result of this call is held, or None."""
        return call_arguments(self._armed[1], args, kwargs)


def _armed(owner: Owner) -> tuple[Tier | None, int]:
    """The tier to look into now, or None, and how."""
    tier, mode, generation = owner._armed
    if generation is not _generation or (_blocks and bypassed.get()):
        tier = None
    return tier, mode


class Hit:
    """A callable that looks before it calls ``_call``."""

    _owner: Owner | None = None
    _bound: tuple[Any, ...] = ()

    _call: Any  # the long way

    def _set_first(self, first: Any) -> None:
        """The instance of a bound method; ``_bound`` says it too."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        owner = self._owner
        if owner is not None and not _watched:
            tier, mode = _armed(owner)
            held = None if tier is None else call_arguments(mode, (*self._bound, *args), kwargs)
            if tier is not None and held is not None:
                value = tier.held(owner.number, held, ABSENT)
                if value is not ABSENT:
                    owner.hits += 1
                    return soon(value) if owner.asynchronous else value
        return self._call(*args, **kwargs)


def enable(cls: type) -> None:
    """Make calls of this class's objects quick: it must not define ``__call__``."""
    if not issubclass(cls, Hit) or "__call__" in cls.__dict__:
        raise TypeError(f"{cls.__name__} has a __call__ of its own")


class Near:
    """Reads of one key's collection, as the tier holds them."""

    __slots__ = ("_generation", "_key", "tier")

    def __init__(self, tier: Tier, key: str) -> None:
        self.tier = tier
        self._key = key
        self._generation = _generation

    @property
    def usable(self) -> bool:
        """Whether to look at all."""
        return self._generation is _generation and not (_blocks and bypassed.get())

    def part(self, name: str, part: Any) -> Any:
        """What is held of a field or member under this name, or ABSENT."""
        if _watched or not self.usable:
            return ABSENT
        if type(part) is not str and type(part) is not int:
            return ABSENT
        return self.tier.held(READS, (self._key, name, part), ABSENT)

    def reply(self, words: tuple[Any, ...]) -> Any:
        """The reply that is held for this step, or ABSENT."""
        return self.tier.held(READS, words, ABSENT)
