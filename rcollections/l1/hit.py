"""The decorated hit in pure Python: the tier answers a call, or the call is handed on. ``_hit.pyx`` is the same.

``Hit`` is the base class of cached functions. All faces of one function (the function itself, its bound methods)
share an ``Owner``. The first call that goes the long way arms this owner with a tier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .calls import ABSENT, PLAIN, bypassed, call_arguments, number, soon_of

if TYPE_CHECKING:
    from .tier import Tier

__all__ = ["Hit", "Near", "Owner", "bypass", "enable", "renew", "watch"]

READS = 1  # the owner of reads of collections

# Any thread may change these switches and every call reads them, without a lock. The open blocks are items of a list,
# not a number: two threads that add to a number without a lock may lose one block.
_generation = object()
_watched = False
_blocks: list[None] = []  # one item for each open ``no_l1()`` block


def renew() -> None:
    """Connections were configured: from now on no owner is armed."""
    global _generation
    _generation = object()


def watch(on: bool) -> None:
    """Whether an observer wants every operation: then every call goes the long way, which tells the observers."""
    global _watched
    _watched = on


def bypass(by: int) -> None:
    """One ``no_l1()`` block was opened (1) or closed (-1)."""
    if by > 0:
        _blocks.extend([None] * by)
    elif by < 0:
        del _blocks[by:]


class Owner:
    """One function, as the tier knows it. Without the GIL ``hits`` may miss a few."""

    __slots__ = ("_armed", "asynchronous", "by_key", "hits", "number", "soon")

    def __init__(self, asynchronous: bool = False, name: str = "") -> None:
        self.number = number()
        self.by_key = self.number + 1  # the owner of values that are held under their key on the server
        self.asynchronous = asynchronous
        self.soon = soon_of(name)  # makes a held result awaitable
        self.hits = 0
        self._armed: tuple[Tier | None, int, object] = None, PLAIN, None  # one object: no thread sees half of it

    def arm(self, tier: Tier | None, mode: int) -> None:
        """From now on calls are looked up in this tier; None: in no tier."""
        self._armed = tier, mode, _generation

    @property
    def tier(self) -> Tier | None:
        """The tier to look into now, or None."""
        return _armed(self)[0]

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
        """The arguments that the result of this call is held under, or None."""
        return call_arguments(self._armed[1], args, kwargs)


def _armed(owner: Owner) -> tuple[Tier | None, int]:
    """The tier to look into now, or None, and the mode of the first argument."""
    tier, mode, generation = owner._armed
    if generation is not _generation or (_blocks and bypassed.get()):
        tier = None
    return tier, mode


class Hit:
    """A callable that looks into the tier before it calls ``_call``."""

    _owner: Owner | None = None
    _bound: tuple[Any, ...] = ()

    _call: Any  # the long way

    def _set_first(self, first: object) -> None:
        """The instance of a bound method. Only the compiled twin needs it: here ``_bound`` has it already."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        owner = self._owner
        if owner is not None and not _watched:
            tier, mode = _armed(owner)
            held = None if tier is None else call_arguments(mode, (*self._bound, *args), kwargs)
            if tier is not None and held is not None:
                value = tier.held(owner.number, held, ABSENT)
                if value is not ABSENT:
                    owner.hits += 1
                    return owner.soon(value) if owner.asynchronous else value
        return self._call(*args, **kwargs)


def enable(cls: type) -> None:
    """Make calls of this class's objects quick. The class must not define ``__call__``."""
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
        """Whether a read may look into the tier at all."""
        return self._generation is _generation and not (_blocks and bypassed.get())

    def part(self, name: str, part: Any) -> Any:
        """The value that is held for a field or member under this name, or ABSENT."""
        if _watched or not self.usable:
            return ABSENT
        if type(part) is not str and type(part) is not int:
            return ABSENT
        return self.tier.held(READS, (self._key, name, part), ABSENT)

    def reply(self, words: tuple[Any, ...]) -> Any:
        """The reply that is held for this step, or ABSENT."""
        return self.tier.held(READS, words, ABSENT)
