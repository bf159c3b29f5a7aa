"""The lone caller's way: a hit that nobody else asks for at the moment takes no job, no plan and no flight.

The caller stands in the table of flights like every caller that finds nobody else there (``Flights.begin``), so whoever
comes meanwhile finds it. The face sends the read itself, the one that the plan would send. What is no plain hit goes on
in the plan of the call, ``call(job, lone)``, with that reply in hand.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from ...errors import DecodeError, WrongTypeError
from ...l1 import ABSENT
from ...values import Codec
from ...values.unpacking import NATIVE, unpack_native
from ..entries import FIXED, MARKED, VALUE
from ..flights import Alone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...errors import CacheError
    from .recipe import Recipe

__all__ = ["Lone", "Tally", "Way"]

# How an entry begins that is fresh as long as it is there, by the number of its tags.
HEADS = tuple(bytes((MARKED[0], VALUE)) + bytes(6) + number.to_bytes(2, "big") for number in range(17))


class Lone(Alone):
    """One caller that reads by itself, and what it has in hand."""

    words: Sequence[bytes | None] = ()  # the reply: the entry, and the stamps of its tags
    error: CacheError | None = None  # or why there is none


class Tally:
    """How many hits of one function were answered this way. Counting is one step in memory, without a lock."""

    __slots__ = ("_count", "add")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Count from zero again."""
        self._count = count()
        self.add = self._count.__next__

    @property
    def hits(self) -> int:
        """How many; looking at the counter does not move it."""
        return int(repr(self._count).removeprefix("count(").removesuffix(")"))


class Way:
    """The way of one function's calls, bound once.

    If the ``breaker`` allows it and ``place(key, lone) is lone``, the caller reads now, alone at its key. The reply
    goes to ``hit``. Where anything raises, ``gone`` is called.
    """

    __slots__ = ("_flights", "_load", "_native", "_tally", "_trouble", "afar", "breaker", "gone", "near", "place")

    def __init__(self, recipe: Recipe, tally: Tally, afar: Any, apart: bool) -> None:
        self.afar = afar  # the replicas that are asked for entries (M5, K10), or None
        self.near = afar is None and not apart  # whether one server has entries and tags
        flights = recipe.flights
        self.breaker = recipe.breaker
        self.place = flights.table.setdefault  # ``Flights.begin``: one step in memory without the lock
        self._flights, self.gone = flights, flights.gone
        self._load = load = recipe.target.plain_load
        codec = getattr(load, "__self__", None)  # unless a hook of the class stands between
        self._native = isinstance(codec, Codec) and codec.native
        self._tally = tally
        self._trouble = recipe.trouble

    @staticmethod
    def of(recipe: Recipe, tally: Tally, afar: Any = None, apart: bool = False) -> Way | None:
        """The way of these calls; None where a hit needs more than the entry: its ttl, or a token of L1."""
        usual = not (recipe.disabled or recipe.needs_ttl or recipe.tiering is not None)
        return Way(recipe, tally, afar, apart) if usual else None

    def hit(self, key: str, lone: Lone, words: Sequence[bytes | None]) -> Any:
        """The value in the reply; ABSENT if that needs a closer look, or if others have come meanwhile."""
        flights = self._flights
        with flights.lock:  # ``Flights.end``, where nobody has come
            came = lone.flight is not None
            if not came and flights.table.get(key) is lone:
                del flights.table[key]
        if came:  # its read was sent before they came, so it is not for them (W2)
            flights.end(key, lone, None)
            return ABSENT
        data = words[0]
        if data is None:
            return ABSENT
        if len(words) > 1:
            stamps = words[1:]
            number = len(stamps)
            if number >= len(HEADS) or None in stamps or data[:10] != HEADS[number]:
                return ABSENT
            end = FIXED + 8 * number
            if data[FIXED:end] != b"".join(stamps):  # type: ignore[arg-type]
                return ABSENT
            data = data[end:]
        form = data[:2]
        try:
            if form == NATIVE and self._native:
                value = unpack_native(data)
            elif form[:1] == MARKED and len(words) == 1:
                return ABSENT
            else:
                value = self._load(data, key, None, VALUE)
        except (DecodeError, WrongTypeError):
            return ABSENT
        self._tally.add()
        if self._trouble.open:
            self._trouble.worked(key)
        return value
